//! [`Follower`]: what one KvNamespace needs to follow its root. The root watch (`follow/mod.rs`) fills its inbox; the
//! committer asks it for the newest root.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    follow::{inbox::Inbox, own_swaps::OwnSwaps, reading::SharedRead},
    state::space::Space,
};

/// Follows the root of one KvNamespace.
pub(crate) struct Follower {
    pub(crate) space: Arc<Space>,
    pub(crate) inbox: Inbox,
    pub(crate) own_swaps: OwnSwaps,
    /// Only one root at a time is fetched for and applied.
    pub(crate) applying: tokio::sync::Mutex<()>,
    /// Somebody waits for the state: it is loaded before those that nobody asks for.
    pub(crate) wanted: Notify,
    /// Held while the root is read for readers who want a newer state; what the last such read showed.
    pub(crate) shared_reads: tokio::sync::Mutex<Option<SharedRead>>,
}

impl Follower {
    /// Begins with a look at the root, as soon as [`Follower::run`] is polled.
    pub(crate) fn new(space: Arc<Space>) -> Arc<Self> {
        let inbox = Inbox::default();
        inbox.request_check(&space.proof);
        Arc::new(Self {
            space,
            inbox,
            own_swaps: OwnSwaps::default(),
            applying: tokio::sync::Mutex::default(),
            wanted: Notify::new(),
            shared_reads: tokio::sync::Mutex::default(),
        })
    }

    /// Takes in whatever the inbox holds, until `end`.
    pub(crate) async fn run(&self, end: &CancellationToken) {
        tokio::select! {
            biased;
            () = end.cancelled() => {}
            () = self.attend() => {}
        }
    }
}
