//! What is known of a KvNamespace's root and has not been looked at yet: the follower tells it, the space takes it
//! (`refresh.rs`).

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::store::Object;

/// What the follower has heard and the space has not looked at yet: the newest wins.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    pub(crate) arrived: Notify,
}

#[derive(Default)]
struct State {
    heard: Heard,
    /// What was taken is still being looked at.
    looking: bool,
}

/// What there is to look at.
#[derive(Default)]
pub(crate) struct Heard {
    /// A root object, with the moment of hearing of it.
    pub(crate) object: Option<(Object, Instant)>,
    /// Whether the root has to be read.
    pub(crate) check: bool,
}

impl Inbox {
    pub(crate) fn tell(&self, object: Object, at: Instant) {
        self.state.lock().heard.object = Some((object, at));
        self.arrived.notify_one();
    }

    pub(crate) fn request_check(&self) {
        self.state.lock().heard.check = true;
        self.arrived.notify_one();
    }

    /// Whether memory knows all that was heard: nothing waits, and nothing is being looked at.
    pub(crate) fn is_settled(&self) -> bool {
        let State { heard, looking } = &*self.state.lock();
        heard.object.is_none() && !heard.check && !looking
    }

    /// Takes what there is to look at, until [`Inbox::looked`].
    pub(crate) fn take(&self) -> Heard {
        let mut state = self.state.lock();
        state.looking = true;
        std::mem::take(&mut state.heard)
    }

    /// What was taken has been looked at; what is still to be done about it has been asked for.
    pub(crate) fn looked(&self) {
        self.state.lock().looking = false;
    }
}
