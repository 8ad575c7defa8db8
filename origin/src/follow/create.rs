//! How a KvNamespace's data begin: an empty root, an adopted one, or, after damage, a new one from memory. The
//! only places where a root is created or its incarnation minted.

use std::sync::Arc;

use nearkv::{Error, Incarnation, Reason, Version};

use crate::{
    Birth, Health,
    follow::follower::Follower,
    follow::recognise::{self, Kind},
    format::{Drafter, Root, root_name},
    limits::budget::Purpose,
    parts::{
        pages::{self, LostPages, PageEntry},
        writer::PartWriter,
    },
    state::snapshot::Snapshot,
    store::{Draft, StoreError},
};

impl Follower {
    pub(crate) async fn initialise(&self, birth: Birth) -> Result<Version, Error> {
        let name = root_name(&self.space.namespace);
        let present = self.space.context.store.get(&name).await;
        let is_there = present.map_err(|error| unreachable("read the root").with_source(error))?.is_some();
        if !is_there {
            if birth == Birth::Past || self.space.view().is_some() {
                self.space.set_health(Health::RootMissing);
                return Err(self.space.damaged(&Health::RootMissing));
            }
            let incarnation = Incarnation::mint(&self.space.context.random);
            let root = Root::empty(self.space.namespace.clone(), incarnation);
            let part_writer = self.space.part_writer();
            let draft = part_writer.drafter.root(root.encode());
            self.space.context.budget.charge(
                &self.space.namespace,
                Purpose::Write,
                draft.content.size(),
                1,
            )?;
            match self.space.context.store.create(&draft).await {
                // Taken: another replica was first. Unknown: the read that follows tells.
                Ok(_) | Err(StoreError::Exists(_) | StoreError::Unknown { .. }) => {}
                Err(error) => return Err(self.refused(error)),
            }
        }
        Ok(self.refresh().await?.version())
    }

    /// Writes the root anew. What is there is replaced only if it is ours, however damaged, and of a known format.
    pub(crate) async fn repair(&self) -> Result<Version, Error> {
        let Some(view) = self.space.view() else {
            return Err(Error::new(
                Reason::Unavailable,
                format!(
                    "This replica holds no state of KvNamespace {}: repair it at one that does, or restore the ConfigMaps from a backup",
                    self.space.namespace
                ),
            ));
        };
        let present = self.space.context.store.get(&root_name(&self.space.namespace)).await;
        let present = match present {
            Ok(present) => present,
            Err(error) => return Err(unreachable("read the root").with_source(error)),
        };
        let health = match present.as_ref().map(|object| recognise::kind(&self.space.config(), object)) {
            Some(Kind::Foreign(detail)) => Some(Health::NameTaken { detail }),
            Some(Kind::Doomed) => {
                let detail = "it is an earlier KvNamespace's, and about to be deleted".to_owned();
                Some(Health::NameTaken { detail })
            }
            // Whole to the version that wrote it. What memory has may be far behind it.
            Some(Kind::OtherFormat(detail)) => Some(Health::FormatUnknown { detail }),
            Some(Kind::Ours(_) | Kind::Damaged(_)) | None => None,
        };
        if let Some(health) = health {
            return Err(self.space.damaged(&health));
        }
        let draft = self.rewrite(&view).await?;
        let written = match present.map(|object| object.meta.token) {
            Some(token) => self.space.context.store.replace(&draft, &token).await,
            None => self.space.context.store.create(&draft).await,
        };
        match written {
            Ok(_) | Err(StoreError::Unknown { .. }) => {}
            Err(error) => return Err(self.refused(error)),
        }
        let repaired = self.refresh().await?;
        if repaired.root.incarnation == view.root.incarnation {
            return Err(unreachable("write the root"));
        }
        Ok(repaired.version())
    }

    /// Writes all entries of memory into new pages, and drafts a root that names them.
    async fn rewrite(&self, view: &Arc<Snapshot>) -> Result<Draft, Error> {
        let part_writer = PartWriter { purpose: Purpose::Relief, ..self.space.part_writer() };
        let expired_before =
            pages::expired_before(self.space.context.clock.now()).max(view.manifest.expired_before);
        let of = Arc::clone(view);
        let planned = pages::beside(of.entries.count() as usize, move || {
            let entry = |slot: &'_ Arc<crate::state::entries::Slot>| (slot.version, slot.put.clone());
            // What a lost part said of a key is not known, and what was before it must not come back.
            let known = of.entries.iter().filter(|slot| of.damage_of(&slot.put.key).is_none());
            let entries: Vec<_> = known.map(entry).collect();
            let entries = entries.iter().map(|(version, put)| PageEntry { version: *version, put });
            pages::plan(&[], &LostPages::new(), entries, expired_before)
        });
        let planned = planned.await.map_err(|error| unreachable("plan the pages").with_source(error))?;
        let (pages, drafts): (Vec<_>, Vec<_>) =
            planned.into_iter().map(|page| part_writer.page(view.root.version, page)).unzip();
        let mut drafts: Vec<_> = drafts.into_iter().flatten().collect();
        let marks = (view.root.version, expired_before);
        let (reference, _, manifests) =
            part_writer.manifest(&crate::format::Manifest::default(), marks, pages, Vec::new());
        drafts.extend(manifests);
        part_writer.create(drafts).await?;
        let incarnation = Incarnation::mint(&self.space.context.random);
        let root = Root {
            version: view.root.version,
            declared: view.root.declared.clone(),
            manifest: Some(reference),
            ..Root::empty(self.space.namespace.clone(), incarnation)
        };
        Ok(Drafter { namespace: self.space.namespace.clone(), owner: part_writer.drafter.owner }
            .root(root.encode()))
    }

    fn refused(&self, error: StoreError) -> Error {
        let text = match &error {
            StoreError::Refused { message, .. } => {
                self.space.set_health(Health::StoreRefused { detail: message.clone() });
                return Error::new(Reason::StoreRefused, format!("The store refuses the root: {message}"));
            }
            StoreError::Throttled { .. } => "the store asks for patience",
            StoreError::Conflict(_) | StoreError::Exists(_) => "somebody else wrote the root first",
            _ => "write the root",
        };
        unreachable(text).with_source(error)
    }
}

fn unreachable(action: &str) -> Error {
    Error::new(Reason::Unavailable, format!("The store cannot be reached: {action}"))
}
