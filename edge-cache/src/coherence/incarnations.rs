//! The current incarnation of each KvNamespace's data, and the state that all its cached answers share. Each cached
//! answer points to its incarnation: when another one shows up, one flag retires all of them, without a walk through
//! the cache.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nearkv::{Incarnation, Namespace};
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::{Floor, Ticket, WriteLog};
use crate::{metrics::Tally, settings::INCARNATIONS_REMEMBERED};

/// What this edge knows of one incarnation.
#[derive(Debug)]
pub(crate) struct IncarnationState {
    pub(crate) id: Incarnation,
    retired: AtomicBool,
    base: Mutex<Floor>,
    log: Mutex<WriteLog>,
    /// The read counters of the KvNamespace, across its incarnations.
    pub(crate) tally: Arc<Tally>,
}

impl IncarnationState {
    fn new(id: Incarnation, tally: Arc<Tally>) -> Self {
        let retired = AtomicBool::new(false);
        Self { id, retired, base: Mutex::default(), log: Mutex::default(), tally }
    }

    /// Whether the data were replaced or deleted: then nothing cached of them may be served.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// The floor under every entry that has none of its own.
    pub(crate) fn base(&self) -> Floor {
        *self.base.lock()
    }

    /// Raises the floor under every entry, unless it is another incarnation's.
    pub(crate) fn raise_base(&self, by: Floor) {
        if by.version.is_none_or(|version| version.incarnation == self.id) {
            self.base.lock().raise(by);
        }
    }

    /// The writes through this edge, which decide about cached pages.
    pub(crate) fn log(&self) -> MutexGuard<'_, WriteLog> {
        self.log.lock()
    }
}

/// The incarnations of all KvNamespaces that upstream has answered for, each until upstream says that it does not
/// exist.
#[derive(Debug, Default)]
pub(crate) struct Incarnations(RwLock<HashMap<Namespace, History>>);

/// The incarnations of one KvNamespace.
#[derive(Debug)]
struct History {
    current: Arc<IncarnationState>,
    /// The request whose answer showed the current one first.
    since: Ticket,
    /// Earlier ones, bounded.
    earlier: VecDeque<Incarnation>,
}

/// How an incarnation in an answer relates to the current one.
enum Relation {
    Current(Arc<IncarnationState>),
    Newer,
    Outdated,
}

impl History {
    fn relation(&self, incarnation: Incarnation, sent: Ticket) -> Relation {
        if self.current.id == incarnation {
            Relation::Current(Arc::clone(&self.current))
        } else if self.earlier.contains(&incarnation) || sent < self.since {
            Relation::Outdated
        } else {
            Relation::Newer
        }
    }
}

impl Incarnations {
    /// The current one, if upstream has answered for the KvNamespace.
    pub(crate) fn current(&self, namespace: &Namespace) -> Option<Arc<IncarnationState>> {
        self.0.read().get(namespace).map(|history| Arc::clone(&history.current))
    }

    /// The state of the incarnation in an answer to the request `sent`. One that differs from the current one replaces
    /// it: incarnations have no order, but a later one is first seen later. `None` for an outdated one: it was replaced
    /// before, or the request is older than the first answer with the current one. Such an answer was slow, or comes
    /// from a cache upstream that still has the old data.
    pub(crate) fn admit(
        &self,
        namespace: &Namespace,
        incarnation: Incarnation,
        sent: Ticket,
    ) -> Option<Arc<IncarnationState>> {
        match self.0.read().get(namespace).map(|history| history.relation(incarnation, sent)) {
            Some(Relation::Current(state)) => return Some(state),
            Some(Relation::Outdated) => return None,
            Some(Relation::Newer) | None => {}
        }
        let mut histories = self.0.write();
        let tally = histories.get(namespace).map(|history| Arc::clone(&history.current.tally));
        let state = Arc::new(IncarnationState::new(incarnation, tally.unwrap_or_default()));
        let Some(history) = histories.get_mut(namespace) else {
            let history = History { current: Arc::clone(&state), since: sent, earlier: VecDeque::new() };
            histories.insert(namespace.clone(), history);
            return Some(state);
        };
        match history.relation(incarnation, sent) {
            Relation::Current(state) => return Some(state),
            Relation::Outdated => return None,
            Relation::Newer => {}
        }
        history.current.retire();
        if history.earlier.len() == INCARNATIONS_REMEMBERED {
            history.earlier.pop_front();
        }
        history.earlier.push_back(history.current.id);
        (history.current, history.since) = (Arc::clone(&state), sent);
        tracing::info!(%namespace, %incarnation, "the data were replaced: dropped everything cached of them");
        Some(state)
    }

    /// Drops everything cached of the current incarnation and raises the floor under all its entries: a write changed
    /// too many keys to treat each alone.
    pub(crate) fn invalidate(&self, namespace: &Namespace, floor: Floor) {
        if let Some(history) = self.0.write().get_mut(namespace) {
            let old = Arc::clone(&history.current);
            let new = IncarnationState::new(old.id, Arc::clone(&old.tally));
            new.raise_base(old.base());
            new.raise_base(floor);
            *new.log() = old.log().emptied(floor);
            old.retire();
            history.current = Arc::new(new);
        }
    }

    /// Drops everything, as if upstream had never answered.
    pub(crate) fn clear(&self) {
        for (_, history) in self.0.write().drain() {
            history.current.retire();
        }
    }

    /// The read counters of each KvNamespace.
    pub(crate) fn tallies(&self) -> Vec<(Namespace, Arc<Tally>)> {
        let histories = self.0.read();
        let tally = |history: &History| Arc::clone(&history.current.tally);
        histories.iter().map(|(namespace, history)| (namespace.clone(), tally(history))).collect()
    }

    /// Drops everything of a KvNamespace: upstream says that it does not exist.
    pub(crate) fn remove(&self, namespace: &Namespace) {
        if let Some(history) = self.0.write().remove(namespace) {
            history.current.retire();
        }
    }
}

#[cfg(test)]
mod tests {
    use nearkv::Random;

    use super::*;

    #[test]
    fn a_new_incarnation_retires_the_old_one_for_good() {
        let (incarnations, random) = (Incarnations::default(), Random::seeded(7));
        let namespace: Namespace = "a/b".parse().unwrap();
        let (old, new) = (Incarnation::mint(&random), Incarnation::mint(&random));
        let first = incarnations.admit(&namespace, old, Ticket(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &incarnations.admit(&namespace, old, Ticket(2)).unwrap()));
        let second = incarnations.admit(&namespace, new, Ticket(3)).unwrap();
        assert!(first.is_retired() && !second.is_retired());
        assert!(
            incarnations.admit(&namespace, old, Ticket(4)).is_none(),
            "a late answer does not bring it back"
        );
        let slow = Incarnation::mint(&random);
        assert!(
            incarnations.admit(&namespace, slow, Ticket(2)).is_none(),
            "sent before the current one's first"
        );
        incarnations.remove(&namespace);
        assert!(second.is_retired() && incarnations.current(&namespace).is_none());
    }
}
