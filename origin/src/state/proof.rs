//! When the state in memory was last proven to be the newest (design §7 F8): by an own commit, by a consistent read, or by
//! the scope's watch while everything that it told of has been applied.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::state::scope::{Scope, micros};

/// The proof of one KvNamespace. Times are of the steady clock, which counts the time that a machine was suspended.
#[derive(Debug)]
pub(crate) struct Proof {
    scope: Arc<Scope>,
    /// What was proven for this KvNamespace alone, in µs; 0 for never.
    own: AtomicU64,
    /// Something was heard of that memory does not show yet: what the scope proves from now on does not concern it.
    suspended: AtomicBool,
    /// Held while `suspended` changes, so that what the scope has proved by then is kept, and nothing later.
    changing: Mutex<()>,
}

impl Proof {
    /// Suspended: nothing has been loaded yet.
    pub(crate) fn new(scope: Arc<Scope>) -> Self {
        let (own, suspended) = (AtomicU64::new(0), AtomicBool::new(true));
        Self { scope, own, suspended, changing: Mutex::default() }
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The state was the newest one at `at`.
    pub(crate) fn prove(&self, at: Duration) {
        self.own.fetch_max(micros(at), Ordering::AcqRel);
    }

    /// Something is told of that memory does not show: before the watch goes on, which may prove more.
    pub(crate) fn suspend(&self) {
        let _changing = self.changing.lock();
        if !self.suspended.load(Ordering::Acquire) {
            self.prove(self.scope.proven());
            self.suspended.store(true, Ordering::Release);
        }
    }

    /// Memory shows everything that was told of.
    pub(crate) fn resume(&self) {
        let _changing = self.changing.lock();
        self.suspended.store(false, Ordering::Release);
    }

    /// As of when a state is proven that is read from memory after this call.
    pub(crate) fn latest(&self) -> Duration {
        // In this order: what the scope proves next may be of a state that memory does not show yet, and then it is suspended
        // by now, or that state is what is read next.
        let scope = self.scope.proven();
        let suspended = self.suspended.load(Ordering::Acquire);
        let own = Duration::from_micros(self.own.load(Ordering::Acquire));
        if suspended { own } else { own.max(scope) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::WatchScope;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_the_scope_proves_counts_only_while_everything_told_of_is_applied() {
        let scope = Arc::new(Scope::new(WatchScope::default()));
        let proof = Proof::new(Arc::clone(&scope));
        scope.prove(seconds(1));
        assert_eq!(proof.latest(), Duration::ZERO, "nothing is loaded yet");
        proof.prove(seconds(2));
        proof.resume();
        assert_eq!(proof.latest(), seconds(2));
        scope.prove(seconds(3));
        assert_eq!(proof.latest(), seconds(3));
        proof.suspend();
        scope.prove(seconds(4));
        assert_eq!(proof.latest(), seconds(3), "what was told of at 3.5 s is not applied");
        proof.suspend();
        assert_eq!(proof.latest(), seconds(3), "told of something twice");
        proof.resume();
        assert_eq!(proof.latest(), seconds(4));
    }
}
