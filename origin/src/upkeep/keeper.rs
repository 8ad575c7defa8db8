//! [`Keeper`]: keeps the stored objects of one KvNamespace in order. Its tasks are upkeep proper (`host.rs`), the audit
//! of what the root reaches, and the owner that objects have.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{commit::committer::Committer, follow::follower::Follower, state::space::Space};

/// Keeps the objects of one KvNamespace in order.
pub(crate) struct Keeper {
    pub(crate) space: Arc<Space>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) committer: Arc<Committer>,
}

impl Keeper {
    pub(crate) fn new(space: Arc<Space>, follower: Arc<Follower>, committer: Arc<Committer>) -> Arc<Self> {
        Arc::new(Self { space, follower, committer })
    }

    /// Runs until `end`.
    pub(crate) async fn run(self: &Arc<Self>, end: &CancellationToken) {
        tokio::join!(self.keep_up(end), self.follow_policy(end), self.audit(end));
    }
}
