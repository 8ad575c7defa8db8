//! What is known of a KvNamespace's root and has not been looked at yet: the follower tells it, the space takes it
//! (`refresh.rs`).

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::store::Object;

/// What the follower has heard and the space has not looked at yet: the newest wins.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    pub(super) arrived: Notify,
}

#[derive(Default)]
struct State {
    heard: Heard,
    /// What was taken is still being looked at.
    looking: bool,
}

/// What there is to look at.
#[derive(Default)]
pub(super) struct Heard {
    /// A root object, with the moment of hearing of it.
    pub(super) object: Option<(Object, Instant)>,
    /// Whether the root has to be read.
    pub(super) check: bool,
}

impl Inbox {
    pub(super) fn tell(&self, object: Object, at: Instant) {
        self.state.lock().heard.object = Some((object, at));
        self.arrived.notify_one();
    }

    pub(super) fn ask_for_check(&self) {
        self.state.lock().heard.check = true;
        self.arrived.notify_one();
    }

    /// Whether memory knows all that was heard: nothing waits, and nothing is being looked at.
    pub(super) fn is_settled(&self) -> bool {
        let State { heard, looking } = &*self.state.lock();
        heard.object.is_none() && !heard.check && !looking
    }

    /// Takes what there is to look at, until [`Inbox::looked`].
    pub(super) fn take(&self) -> Heard {
        let mut state = self.state.lock();
        state.looking = true;
        std::mem::take(&mut state.heard)
    }

    /// What was taken has been looked at; what is still to be done about it has been asked for.
    pub(super) fn looked(&self) {
        self.state.lock().looking = false;
    }
}
