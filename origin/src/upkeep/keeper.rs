//! [`Keeper`]: keeps the stored objects of one KvNamespace in order. Its tasks are upkeep proper (`host.rs`), the audit
//! of what the root reaches, and the owner that objects have.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{
    commit::committer::Committer,
    follow::follower::Follower,
    state::space::Space,
    upkeep::inventory::{Handover, Listing},
};

/// Keeps the objects of one KvNamespace in order.
pub(crate) struct Keeper {
    pub(crate) space: Arc<Space>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) committer: Arc<Committer>,
    /// What the inventory shows. For the collector.
    pub(super) to_collect: Handover,
    /// The same, for the audit.
    pub(super) to_audit: Handover,
}

impl Keeper {
    pub(crate) fn new(space: Arc<Space>, follower: Arc<Follower>, committer: Arc<Committer>) -> Arc<Self> {
        let (to_collect, to_audit) = (Handover::default(), Handover::default());
        Arc::new(Self { space, follower, committer, to_collect, to_audit })
    }

    /// Takes what the inventory shows of this KvNamespace.
    pub(super) fn hand_over(&self, listing: Arc<Listing>) {
        self.to_collect.put(Arc::clone(&listing));
        self.to_audit.put(listing);
    }

    /// Runs until `end`.
    pub(crate) async fn run(self: &Arc<Self>, end: &CancellationToken) {
        tokio::join!(self.keep_up(end), self.follow_policy(end), self.audit(end));
    }
}
