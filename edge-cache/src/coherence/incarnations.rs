//! Which incarnation of a KvNamespace's data is the present one, and what holds for all that is held of it.
//! Everything cached points to its life: when another incarnation shows up, one flag drops it all, without a
//! walk through the cache.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use nearkv::{Incarnation, Namespace};
use parking_lot::{Mutex, RwLock};

use crate::{
    floor::{Floor, Ticket},
    lists::WriteLog,
    metrics::Tally,
    settings::INCARNATIONS_REMEMBERED,
};

/// One incarnation of a KvNamespace's data, as this edge knows it.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) incarnation: Incarnation,
    over: AtomicBool,
    base: Mutex<Floor>,
    log: Mutex<WriteLog>,
    /// What is counted of the KvNamespace, in all its lives.
    pub(crate) tally: Arc<Tally>,
}

impl Life {
    fn new(incarnation: Incarnation, tally: Arc<Tally>) -> Self {
        let over = AtomicBool::new(false);
        Self { incarnation, over, base: Mutex::default(), log: Mutex::default(), tally }
    }

    /// Whether the data have been replaced or have gone: nothing of this life may be served.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The floor under every entry that has none of its own.
    pub(crate) fn base(&self) -> Floor {
        *self.base.lock()
    }

    /// Raises the floor under every entry, unless it is another incarnation's.
    pub(crate) fn raise_base(&self, by: Floor) {
        if by.version.is_none_or(|version| version.incarnation == self.incarnation) {
            self.base.lock().raise(by);
        }
    }

    /// The writes through this edge, for the lists.
    pub(crate) fn log(&self) -> parking_lot::MutexGuard<'_, WriteLog> {
        self.log.lock()
    }
}

/// The lives of all KvNamespaces that upstream has answered for: one each, until it says that there is none.
#[derive(Debug, Default)]
pub(crate) struct Lives(RwLock<HashMap<Namespace, Tenancy>>);

#[derive(Debug)]
struct Tenancy {
    present: Arc<Life>,
    /// The request whose answer showed the present life first.
    since: Ticket,
    retired: VecDeque<Incarnation>,
}

impl Tenancy {
    /// The life an answer belongs to; `Err` for data that are not the present ones.
    fn admits(&self, incarnation: Incarnation, sent: Ticket) -> Result<Option<Arc<Life>>, ()> {
        if self.present.incarnation == incarnation {
            return Ok(Some(self.present.clone()));
        }
        if self.retired.contains(&incarnation) || sent < self.since { Err(()) } else { Ok(None) }
    }
}

impl Lives {
    /// The present life, if one is known.
    pub(crate) fn current(&self, namespace: &Namespace) -> Option<Arc<Life>> {
        self.0.read().get(namespace).map(|tenancy| tenancy.present.clone())
    }

    /// The life that an answer to a request sent then belongs to. Another incarnation than the present one ends
    /// it: incarnations have no order, and what is minted later is heard of later. `None` for one that has been
    /// ended, or one that answers a request older than the present life: it was on its way for long, or comes
    /// from a cache that has not heard.
    pub(crate) fn enter(
        &self,
        namespace: &Namespace,
        incarnation: Incarnation,
        sent: Ticket,
    ) -> Option<Arc<Life>> {
        match self.0.read().get(namespace).map(|tenancy| tenancy.admits(incarnation, sent)) {
            Some(Ok(Some(life))) => return Some(life),
            Some(Err(())) => return None,
            Some(Ok(None)) | None => {}
        }
        let mut lives = self.0.write();
        let tally = lives.get(namespace).map(|tenancy| Arc::clone(&tenancy.present.tally));
        let present = Arc::new(Life::new(incarnation, tally.unwrap_or_default()));
        let Some(tenancy) = lives.get_mut(namespace) else {
            let tenancy = Tenancy { present: present.clone(), since: sent, retired: VecDeque::new() };
            lives.insert(namespace.clone(), tenancy);
            return Some(present);
        };
        match tenancy.admits(incarnation, sent) {
            Ok(Some(life)) => return Some(life),
            Err(()) => return None,
            Ok(None) => {}
        }
        tenancy.present.over.store(true, Ordering::Release);
        if tenancy.retired.len() == INCARNATIONS_REMEMBERED {
            tenancy.retired.pop_front();
        }
        tenancy.retired.push_back(tenancy.present.incarnation);
        (tenancy.present, tenancy.since) = (present.clone(), sent);
        tracing::info!(%namespace, %incarnation, "the data were replaced: all that was held of them is dropped");
        Some(present)
    }

    /// So much was written that everything held of the present data is dropped, and `floor` is under all of them.
    pub(crate) fn renew(&self, namespace: &Namespace, floor: Floor) {
        if let Some(tenancy) = self.0.write().get_mut(namespace) {
            let old = tenancy.present.clone();
            let new = Life::new(old.incarnation, Arc::clone(&old.tally));
            new.raise_base(old.base());
            new.raise_base(floor);
            *new.log() = old.log().emptied(floor);
            old.over.store(true, Ordering::Release);
            tenancy.present = Arc::new(new);
        }
    }

    /// Everything that is held is dropped, as if upstream had never answered.
    pub(crate) fn clear(&self) {
        for (_, tenancy) in self.0.write().drain() {
            tenancy.present.over.store(true, Ordering::Release);
        }
    }

    /// What is counted of each KvNamespace.
    pub(crate) fn tallies(&self) -> Vec<(Namespace, Arc<Tally>)> {
        let lives = self.0.read();
        lives.iter().map(|(namespace, tenancy)| (namespace.clone(), tenancy.present.tally.clone())).collect()
    }

    /// Upstream says that the KvNamespace does not exist: everything held of it is dropped.
    pub(crate) fn end(&self, namespace: &Namespace) {
        if let Some(tenancy) = self.0.write().remove(namespace) {
            tenancy.present.over.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use nearkv::Random;

    use super::*;

    #[test]
    fn a_new_incarnation_ends_the_old_life_for_good() {
        let (lives, random) = (Lives::default(), Random::seeded(7));
        let namespace: Namespace = "a/b".parse().unwrap();
        let (old, new) = (Incarnation::mint(&random), Incarnation::mint(&random));
        let first = lives.enter(&namespace, old, Ticket(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &lives.enter(&namespace, old, Ticket(2)).unwrap()));
        let second = lives.enter(&namespace, new, Ticket(3)).unwrap();
        assert!(first.is_over() && !second.is_over());
        assert!(lives.enter(&namespace, old, Ticket(4)).is_none(), "a late answer does not bring it back");
        let unheard = Incarnation::mint(&random);
        assert!(lives.enter(&namespace, unheard, Ticket(2)).is_none(), "asked for before the present one");
        lives.end(&namespace);
        assert!(second.is_over() && lives.current(&namespace).is_none());
    }
}
