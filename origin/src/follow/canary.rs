//! The canary (design §7): an object that this process swaps in a scope, so that its watch shows the swap. What comes
//! before it in the watch has been told to the followers by then, so all that the scope holds is proven as of the sending of
//! the swap. Events and bookmarks prove nothing by themselves: they come from a cache that may lag.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use crate::{
    follow::replicas::Replicas,
    format::{ObjectPath, ReplicaState, Report, canary_name},
    limits::pacing::share,
    state::context::Context,
    store::{Object, ObjectName, StoreError, Token},
};

/// For one swap: the next one may be answered where this one hangs.
const SWAP_PATIENCE: Duration = Duration::from_secs(3);
/// From a refused swap to the next attempt: a quota or a permission changes by hand.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// Swaps whose sending is remembered: those that were given up may be shown yet.
const REMEMBERED: usize = 16;

/// The canary of this process in one scope.
pub(crate) struct Canary {
    name: ObjectName,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The object as it is; `None` where there is none.
    token: Option<Token>,
    number: u64,
    /// When swaps were sent that the watch has not shown yet; of the steady clock.
    sent: VecDeque<(u64, Duration)>,
    refused: Option<Instant>,
    /// Whether there was one, so that others have heard of this process.
    was_there: bool,
}

impl Canary {
    /// In this folder. Nothing is written yet.
    pub(crate) fn new(context: &Context, folder: &str) -> Self {
        Self { name: canary_name(folder, &context.replica), state: Mutex::default() }
    }

    pub(crate) fn is_own(&self, name: &ObjectName) -> bool {
        self.name == *name
    }

    /// Whether the store takes it, as far as is known.
    pub(crate) fn is_taken(&self) -> bool {
        self.state.lock().refused.is_none_or(|at| at.elapsed() >= REFUSED_PAUSE)
    }

    /// Swaps it once.
    pub(crate) async fn swap(&self, context: &Context, state: ReplicaState, lost: Vec<ObjectPath>) {
        let (number, token) = {
            let mut own = self.state.lock();
            own.number += 1;
            let number = own.number;
            own.sent.push_back((number, context.clock.steady()));
            let forgotten = own.sent.len().saturating_sub(REMEMBERED);
            own.sent.drain(..forgotten);
            (number, own.token.clone())
        };
        let (replica, at, level) = (context.replica.clone(), context.clock.now().0, context.pace.level());
        let draft = Report { replica, number, at, state, level, lost }.draft(&self.name);
        context.pace.spend(draft.content.size());
        let store = &context.canary_store;
        let swap = async {
            match &token {
                Some(token) => store.replace(&draft, token).await,
                None => store.create(&draft).await,
            }
        };
        let swapped = timeout(SWAP_PATIENCE, swap).await;
        match swapped {
            Ok(Ok(meta)) => {
                let mut own = self.state.lock();
                (own.token, own.refused, own.was_there) = (Some(meta.token), None, true);
            }
            Ok(Err(StoreError::Missing(_))) => self.state.lock().token = None,
            Ok(Err(StoreError::Refused { name, message })) => {
                let mut own = self.state.lock();
                if own.refused.replace(Instant::now()).is_none() {
                    tracing::warn!(%name, message, "the store refuses the canary; memory is proven by lists instead");
                }
            }
            // It may have happened, or happen yet.
            _ => {
                if let Ok(Ok(found)) = timeout(SWAP_PATIENCE, store.get(&self.name)).await {
                    self.state.lock().token = found.map(|object| object.meta.token);
                }
            }
        }
    }

    /// The watch shows it: when the swap was sent that made it so. Everything before that has been shown.
    pub(crate) fn shown(&self, object: &Object) -> Option<Duration> {
        let report = Report::of(object)?;
        let mut own = self.state.lock();
        own.was_there = true;
        let sent = own.sent.iter().find(|(number, _)| *number == report.number)?.1;
        own.sent.retain(|(number, _)| *number > report.number);
        Some(sent)
    }

    /// Says, at the end, that this process writes no more.
    pub(crate) async fn farewell(&self, context: &Context) {
        if self.state.lock().was_there {
            self.swap(context, ReplicaState::Ended, Vec::new()).await;
        }
    }
}

/// Takes this process's part of what all may send: for once, when it has heard who is there.
pub(crate) async fn arrive(context: &Context, replicas: &Replicas) {
    let Some(limits) = context.pace.limits() else { return };
    let now = context.clock.now();
    let (staying, gone) = replicas.divided(now);
    let mut taken = Vec::new();
    for heard in gone {
        // Whoever deletes it takes its place; of several that come at once, one does.
        let deleted = context.canary_store.delete(&heard.meta.name, &heard.meta.id).await;
        if deleted.is_ok() {
            replicas.forget(&heard.meta.name);
            taken.extend(heard.left(now));
        }
    }
    let staying: Vec<_> = staying.iter().filter_map(|heard| heard.left(now)).collect();
    context.pace.set_share(staying.len() + 1);
    context.pace.take_over(share::on_arrival(limits, &staying, &taken));
}
