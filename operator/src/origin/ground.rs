//! The engine as its upkeep sees it: snapshots to decide on, and the committer to have the root amended.

use std::sync::Arc;

use async_trait::async_trait;
use nearkv::Reason;
use tokio_util::sync::CancellationToken;

use super::{
    Health,
    amendment::Amendment,
    ask::What,
    budget::Purpose,
    format::{Manifest, Root},
    pages::PageEntry,
    snapshot::Snapshot,
    space::Space,
    upkeep::{AmendError, Ground, Snapshot as View, Upkeep},
    workshop::Workshop,
};
use crate::store::ObjectName;

impl View for Snapshot {
    fn root(&self) -> &Root {
        &self.root
    }

    fn entries(&self) -> Box<dyn Iterator<Item = PageEntry<'_>> + Send + '_> {
        Box::new(self.entries.iter().map(|slot| PageEntry { version: slot.version, put: &slot.put }))
    }

    fn keys(&self) -> u64 {
        self.entries.count()
    }

    fn manifest(&self) -> Option<Arc<Manifest>> {
        Some(Arc::clone(&self.manifest))
    }
}

#[async_trait]
impl Ground for Space {
    fn snapshot(&self) -> Option<Arc<dyn View>> {
        // What the store refused to take says nothing against what it holds.
        if !matches!(self.health(), Health::Ready | Health::StoreRefused { .. }) {
            return None;
        }
        self.view().map(|view| view as Arc<dyn View>)
    }

    async fn amend(&self, amendment: Amendment) -> Result<Arc<dyn View>, AmendError> {
        if let Amendment::Manifest(new) = &amendment
            && new.born.elapsed() >= self.context.settings.grace / 2
        {
            return Err(AmendError::Superseded);
        }
        match self.ask(What::Amend(Box::new(amendment)), None).await {
            Ok(_) => self.view().map(|view| view as Arc<dyn View>).ok_or(AmendError::Stopped),
            Err(error) => Err(match error.reason() {
                Reason::PreconditionFailed => AmendError::Superseded,
                Reason::NamespaceMissing => AmendError::Stopped,
                _ => AmendError::Failed(error),
            }),
        }
    }

    async fn changed(&self) {
        self.moved.notified().await;
    }

    fn doubt(&self, object: &ObjectName) {
        self.doubted.lock().insert(object.clone());
    }
}

impl Space {
    /// Keeps the objects in order until `shutdown`. Starts anew when the owner that new objects get changes.
    pub(super) async fn keep_up(self: &Arc<Self>, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let policy = self.config().deletion_policy;
            let workshop = Workshop {
                store: Arc::clone(&self.context.upkeep_store),
                purpose: Purpose::Relief,
                ..self.workshop()
            };
            let ground: Arc<dyn Ground> = Arc::<Self>::clone(self);
            let clock = Arc::clone(&self.context.clock);
            let upkeep = Upkeep::new(ground, workshop, clock, self.context.settings.grace);
            let ended = shutdown.child_token();
            let other_policy = async {
                while self.config().deletion_policy == policy {
                    self.reconfigured.notified().await;
                }
                ended.cancel();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                () = upkeep.run(self.context.maintainer(), ended.clone()) => {}
                () = other_policy => {}
            }
        }
    }
}
