//! What is known of a KvNamespace's root and has not been looked at yet: the root watch tells it, the follower takes it
//! (`refresh.rs`). While there is anything, the watch proves nothing of what is in memory.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{state::proof::Proof, store::Object};

/// What the root watch has heard and the follower has not looked at yet: the newest wins.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    pub(crate) arrived: Notify,
}

#[derive(Default)]
struct State {
    heard: Heard,
    /// The follower is looking at what it took.
    is_busy: bool,
}

/// What there is to look at.
#[derive(Default)]
pub(crate) struct Heard {
    /// A root object.
    pub(crate) object: Option<Object>,
    /// Whether the root has to be read.
    pub(crate) check: bool,
    /// As of when the watch has proven that there is nothing else.
    pub(crate) proven: Duration,
}

impl Inbox {
    pub(crate) fn tell(&self, object: Object, proof: &Proof) {
        let mut state = self.state.lock();
        proof.suspend();
        state.heard.object = Some(object);
        self.arrived.notify_one();
    }

    pub(crate) fn request_check(&self, proof: &Proof) {
        let mut state = self.state.lock();
        proof.suspend();
        state.heard.check = true;
        self.arrived.notify_one();
    }

    /// Takes what there is to look at.
    pub(crate) fn take(&self, proof: &Proof) -> Heard {
        let mut state = self.state.lock();
        state.is_busy = true;
        Heard { proven: proof.scope().proven(), ..std::mem::take(&mut state.heard) }
    }

    /// The follower has looked at what it took.
    pub(crate) fn done(&self) {
        self.state.lock().is_busy = false;
    }

    /// Memory shows what a readable root says. If nothing else was heard of, it shows everything that the watch has told.
    pub(crate) fn resume(&self, proof: &Proof) {
        let state = self.state.lock();
        if !state.is_busy && state.heard.object.is_none() && !state.heard.check {
            proof.resume();
        }
    }
}
