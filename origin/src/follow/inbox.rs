//! What is known of a KvNamespace's root and has not been looked at yet: the root watch tells it, the follower takes it
//! (`refresh.rs`).

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::Object;

/// What the root watch has heard and the follower has not looked at yet: the newest wins.
#[derive(Default)]
pub(crate) struct Inbox {
    heard: Mutex<Heard>,
    pub(crate) arrived: Notify,
}

/// What there is to look at.
#[derive(Default)]
pub(crate) struct Heard {
    /// A root object.
    pub(crate) object: Option<Object>,
    /// Whether the root has to be read.
    pub(crate) check: bool,
}

impl Inbox {
    pub(crate) fn tell(&self, object: Object) {
        self.heard.lock().object = Some(object);
        self.arrived.notify_one();
    }

    pub(crate) fn request_check(&self) {
        self.heard.lock().check = true;
        self.arrived.notify_one();
    }

    /// Takes what there is to look at.
    pub(crate) fn take(&self) -> Heard {
        std::mem::take(&mut *self.heard.lock())
    }
}
