//! How a KvNamespace's data begin: an empty root, or an adopted one. Here and in `repair.rs` are the only places where a
//! root is created or its incarnation minted.

use nearkv::{Error, Incarnation, Reason, Version};

use crate::{
    Health, InitialState,
    follow::follower::Follower,
    format::{Root, root_name},
    limits::budget::Purpose,
    store::StoreError,
};

impl Follower {
    pub(crate) async fn initialise(&self, initial_state: InitialState) -> Result<Version, Error> {
        let name = root_name(&self.space.namespace);
        let present = self.space.context.store.get(&name).await;
        let is_there = present.map_err(|error| unreachable("read the root").with_source(error))?.is_some();
        if !is_there {
            if initial_state == InitialState::Existing || self.space.view().is_some() {
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

    pub(super) fn refused(&self, error: StoreError) -> Error {
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

pub(super) fn unreachable(action: &str) -> Error {
    Error::new(Reason::Unavailable, format!("The store cannot be reached: {action}"))
}
