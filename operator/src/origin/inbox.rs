//! What is known of a KvNamespace's root and has not been looked at yet: the follower tells it, the space takes it
//! (`refresh.rs`).

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::store::Object;

/// What the follower has heard and the space has not looked at yet: the newest wins.
#[derive(Default)]
pub(super) struct Inbox {
    heard: Mutex<Heard>,
    pub(super) arrived: Notify,
}

#[derive(Default)]
pub(super) struct Heard {
    /// A root object, with the moment of hearing of it.
    pub(super) object: Option<(Object, Instant)>,
    /// Whether the root has to be read.
    pub(super) check: bool,
}

impl Inbox {
    pub(super) fn tell(&self, object: Object, at: Instant) {
        self.heard.lock().object = Some((object, at));
        self.arrived.notify_one();
    }

    pub(super) fn ask_for_check(&self) {
        self.heard.lock().check = true;
        self.arrived.notify_one();
    }

    pub(super) fn is_empty(&self) -> bool {
        let heard = self.heard.lock();
        heard.object.is_none() && !heard.check
    }

    pub(super) fn take(&self) -> Heard {
        std::mem::take(&mut self.heard.lock())
    }
}
