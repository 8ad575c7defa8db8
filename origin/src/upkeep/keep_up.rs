//! The engine as its upkeep sees it: snapshots to decide on, and the committer to have the root amended.

use std::sync::Arc;

use async_trait::async_trait;
use nearkv::{Key, Reason};
use tokio_util::sync::CancellationToken;

use crate::{
    commit::{amendment::Amendment, request::Operation},
    format::{Manifest, Root},
    parts::{pages::PageEntry, writer::PartWriter},
    state::{
        damage::Damage,
        entries::Slot,
        expired::{Expired, Moment},
        snapshot::Snapshot,
    },
    store::ObjectName,
    upkeep::{AmendError, Host, View, inventory::Listing, keeper::Keeper, rounds::Upkeep},
};

impl View for Snapshot {
    fn root(&self) -> &Root {
        &self.root
    }

    fn entries(&self) -> Box<dyn Iterator<Item = PageEntry<'_>> + Send + '_> {
        Box::new(self.entries.iter().map(|slot| PageEntry { version: slot.version, put: &slot.put }))
    }

    fn between<'a>(
        &'a self,
        from: Option<&'a Key>,
        until: Option<&'a Key>,
    ) -> Box<dyn Iterator<Item = PageEntry<'a>> + Send + 'a> {
        let entry = |slot: &'a Arc<Slot>| PageEntry { version: slot.version, put: &slot.put };
        Box::new(self.entries.between(from, until).map(entry))
    }

    fn keys(&self) -> u64 {
        self.entries.count()
    }

    fn chunks(&self) -> u64 {
        self.entries.chunks()
    }

    fn expired_by(&self, second: u64) -> Expired {
        self.entries.expired_by(Moment::Droppable, second)
    }

    fn has_ending(&self) -> bool {
        self.entries.has_ending()
    }

    fn manifest(&self) -> Option<Arc<Manifest>> {
        Some(Arc::clone(&self.manifest))
    }

    fn damage(&self) -> &[Damage] {
        &self.damage
    }
}

#[async_trait]
impl Host for Keeper {
    fn snapshot(&self) -> Option<Arc<dyn View>> {
        // What the store refused to take says nothing against what it holds. A lost part concerns its own keys, but a
        // lost manifest everything: what it leads to is not known.
        let view = self.space.view().filter(|view| self.space.is_sound() && view.lost_manifest().is_none());
        view.map(|view| view as Arc<dyn View>)
    }

    async fn amend(&self, amendment: Amendment) -> Result<Arc<dyn View>, AmendError> {
        if let Amendment::Manifest(new) = &amendment
            && new.born.elapsed() >= self.space.context.settings.grace / 2
        {
            return Err(AmendError::Superseded);
        }
        match self.committer.submit(Operation::Amend(Box::new(amendment)), None).await {
            Ok(_) => self.space.view().map(|view| view as Arc<dyn View>).ok_or(AmendError::Stopped),
            Err(error) => Err(match error.reason() {
                Reason::PreconditionFailed => AmendError::Superseded,
                Reason::NamespaceMissing => AmendError::Stopped,
                _ => AmendError::Failed(error),
            }),
        }
    }

    async fn changed(&self) {
        self.space.moved.notified().await;
    }

    async fn listed(&self) {
        self.to_collect.arrived().await;
    }

    fn listing(&self) -> Option<Arc<Listing>> {
        self.to_collect.take()
    }

    fn doubt(&self, object: &ObjectName) {
        self.space.doubted.add(object.clone());
    }
}

impl Keeper {
    /// Keeps the objects in order until `shutdown`. Starts anew when the owner that new objects get changes.
    pub(crate) async fn keep_up(self: &Arc<Self>, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let policy = self.space.config().deletion_policy;
            let part_writer = PartWriter {
                store: Arc::clone(&self.space.context.upkeep_store),
                ..self.space.relief_writer()
            };
            let host: Arc<dyn Host> = Arc::<Self>::clone(self);
            let clock = Arc::clone(&self.space.context.clock);
            let upkeep = Upkeep::new(host, part_writer, clock, self.space.context.settings.grace);
            let ended = shutdown.child_token();
            let other_policy = async {
                while self.space.config().deletion_policy == policy {
                    self.space.reconfigured.notified().await;
                }
                ended.cancel();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                () = upkeep.run(self.space.context.maintainer(), ended.clone()) => {}
                () = other_policy => {}
            }
        }
    }
}
