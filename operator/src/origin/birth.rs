//! How a KvNamespace's data begin: an empty root, an adopted one, or, after damage, a new one from memory. The
//! only places where a root is created or its incarnation minted.

use std::sync::Arc;

use nearkv::{Error, Incarnation, Reason, Version};

use super::{
    Birth, Health,
    adopt::{self, Kind},
    budget::Purpose,
    format::{Drafter, Root, root_name},
    pages::{self, PageEntry},
    snapshot::Snapshot,
    space::Space,
    workshop::Workshop,
};
use crate::store::{Draft, StoreError};

impl Space {
    pub(super) async fn initialise(&self, birth: Birth) -> Result<Version, Error> {
        let name = root_name(&self.namespace);
        let present = self.context.store.get(&name).await;
        let is_there = present.map_err(|error| unreachable("read the root").with_source(error))?.is_some();
        if !is_there {
            if birth == Birth::Past || self.view().is_some() {
                self.set_health(Health::RootMissing);
                return Err(self.damaged(&Health::RootMissing));
            }
            let incarnation = Incarnation::mint(&self.context.random);
            let root = Root::empty(self.namespace.clone(), incarnation);
            let workshop = self.workshop();
            let draft = workshop.drafter.root(root.encode());
            self.context.budget.charge(&self.namespace, Purpose::Write, draft.content.size(), 1)?;
            match self.context.store.create(&draft).await {
                // Taken: another replica was first. Unknown: the read that follows tells.
                Ok(_) | Err(StoreError::Exists(_) | StoreError::Unknown { .. }) => {}
                Err(error) => return Err(self.refused(error)),
            }
        }
        Ok(self.refresh().await?.version())
    }

    /// Writes the root anew. What is there is replaced only if it is ours, however damaged, and of a known format.
    pub(super) async fn repair(&self) -> Result<Version, Error> {
        let Some(view) = self.view() else {
            return Err(Error::new(
                Reason::Unavailable,
                format!(
                    "This replica holds no state of KvNamespace {}: repair it at one that does, or restore the ConfigMaps from a backup",
                    self.namespace
                ),
            ));
        };
        let present = self.context.store.get(&root_name(&self.namespace)).await;
        let present = match present {
            Ok(present) => present,
            Err(error) => return Err(unreachable("read the root").with_source(error)),
        };
        let health = match present.as_ref().map(|object| adopt::kind(&self.config(), object)) {
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
            return Err(self.damaged(&health));
        }
        let draft = self.rewrite(&view).await?;
        let written = match present.map(|object| object.meta.token) {
            Some(token) => self.context.store.replace(&draft, &token).await,
            None => self.context.store.create(&draft).await,
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
        let workshop = Workshop { purpose: Purpose::Relief, ..self.workshop() };
        let expired_before =
            pages::expired_before(self.context.clock.now()).max(view.manifest.expired_before);
        let of = Arc::clone(view);
        let planned = pages::beside(of.entries.count() as usize, move || {
            let entry = |slot: &'_ Arc<super::entries::Slot>| (slot.version, slot.put.clone());
            // What a lost part said of a key is not known, and what was before it must not come back.
            let known = of.entries.iter().filter(|slot| of.damage_of(&slot.put.key).is_none());
            let entries: Vec<_> = known.map(entry).collect();
            let entries = entries.iter().map(|(version, put)| PageEntry { version: *version, put });
            pages::plan(&[], entries, expired_before)
        });
        let planned = planned.await.map_err(|error| unreachable("plan the pages").with_source(error))?;
        let (pages, drafts): (Vec<_>, Vec<_>) =
            planned.into_iter().map(|page| workshop.page(view.root.version, page)).unzip();
        let mut drafts: Vec<_> = drafts.into_iter().flatten().collect();
        let marks = (view.root.version, expired_before);
        let (reference, _, manifests) =
            workshop.manifest(&super::format::Manifest::default(), marks, pages, Vec::new());
        drafts.extend(manifests);
        workshop.create(drafts).await?;
        let incarnation = Incarnation::mint(&self.context.random);
        let root = Root {
            version: view.root.version,
            declared: view.root.declared.clone(),
            manifest: Some(reference),
            ..Root::empty(self.namespace.clone(), incarnation)
        };
        Ok(Drafter { namespace: self.namespace.clone(), owner: workshop.drafter.owner }.root(root.encode()))
    }

    fn refused(&self, error: StoreError) -> Error {
        let text = match &error {
            StoreError::Refused { message, .. } => {
                self.set_health(Health::StoreRefused { detail: message.clone() });
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
