//! [`Keeper`]: keeps the stored objects of one KvNamespace in order. Its tasks are upkeep proper (`host.rs`), the audit
//! of what the root reaches, and the owner that objects have.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    commit::committer::Committer, follow::follower::Follower, state::space::Space, store::ObjectName,
};

/// Keeps the objects of one KvNamespace in order.
pub(crate) struct Keeper {
    pub(crate) space: Arc<Space>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) committer: Arc<Committer>,
    /// Parts that upkeep has found lost or altered. For the audit.
    pub(crate) doubted: Mutex<HashSet<ObjectName>>,
}

impl Keeper {
    pub(crate) fn new(space: Arc<Space>, follower: Arc<Follower>, committer: Arc<Committer>) -> Arc<Self> {
        Arc::new(Self { space, follower, committer, doubted: Mutex::default() })
    }

    /// Runs until `end`.
    pub(crate) async fn run(self: &Arc<Self>, end: &CancellationToken) {
        tokio::join!(self.keep_up(end), self.follow_policy(end), self.audit(end));
    }
}
