//! A changed deletion policy, or the adoption of retained data, is a job: every object gets the owner that the
//! policy asks for, the root last. The policy is in force when the root says so (invariant 10).

use std::time::Duration;

use nearkv::Error;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    Health,
    commit::request::Operation,
    format::{LABEL_NAMESPACE, root_name},
    state::snapshot::owner,
    store::{Draft, Meta, ObjectStore, Owner, Selector, StoreError},
    upkeep::keeper::Keeper,
};

/// How often it is looked whether the objects can be made to follow the policy, while they do not.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why not every object has its owner yet.
#[derive(Debug, thiserror::Error)]
enum PolicyError {
    #[error("failed to {action} an object")]
    Store {
        action: &'static str,
        #[source]
        source: StoreError,
    },
    #[error("failed to change the owner of the root")]
    Root(#[source] Error),
}

impl Keeper {
    /// Has the objects follow the policy, on the replica that maintains them, until `end`.
    pub(crate) async fn follow_policy(&self, end: &CancellationToken) {
        let mut maintainer = self.space.context.maintainer();
        loop {
            let is_behind = *maintainer.borrow_and_update() && self.other_owner().is_some();
            tokio::select! {
                biased;
                () = end.cancelled() => return,
                () = sleep(LOOK_EVERY), if is_behind => {}
                _ = maintainer.changed() => {}
                () = self.space.policy_moved.notified() => {}
            }
            if !*maintainer.borrow() || self.space.health() != Health::Ready {
                continue;
            }
            let Some(wanted) = self.other_owner() else { continue };
            let changed = tokio::select! {
                biased;
                () = end.cancelled() => return,
                changed = self.give_to(wanted) => changed,
            };
            if let Err(error) = changed {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(namespace = %self.space.namespace, error, "the objects do not follow the deletion policy yet");
            }
        }
    }

    /// The owner that the policy asks for, where the root has another one.
    fn other_owner(&self) -> Option<Option<Owner>> {
        let config = self.space.config();
        let wanted = owner(&self.space.namespace, &config.uid, config.deletion_policy);
        self.space.view().filter(|view| view.owner != wanted).map(|_| wanted)
    }

    async fn give_to(&self, wanted: Option<Owner>) -> Result<(), PolicyError> {
        // What other replicas create meanwhile, by the policy that they know, is found by listing once more.
        while self.give_parts_to(wanted.as_ref()).await? > 0 {}
        self.committer.submit(Operation::Own(wanted.clone()), None).await.map_err(PolicyError::Root)?;
        self.give_parts_to(wanted.as_ref()).await?;
        Ok(())
    }

    /// Changes the owner of all parts; how many had another one.
    async fn give_parts_to(&self, wanted: Option<&Owner>) -> Result<usize, PolicyError> {
        let store = &self.space.context.upkeep_store;
        let selector = Selector {
            folder: Some(self.space.namespace.account().into()),
            labels: vec![(LABEL_NAMESPACE.to_owned(), vec![self.space.namespace.name().to_owned()])],
        };
        let failed = |action| move |source| PolicyError::Store { action, source };
        let mut parts = store.list(&selector).await.map_err(failed("list"))?;
        let root = root_name(&self.space.namespace);
        parts.retain(|meta| meta.name != root && meta.owner.as_ref() != wanted);
        for meta in &parts {
            give(&**store, meta, wanted).await?;
        }
        Ok(parts.len())
    }
}

async fn give(store: &dyn ObjectStore, meta: &Meta, wanted: Option<&Owner>) -> Result<(), PolicyError> {
    let failed = |action| move |source| PolicyError::Store { action, source };
    let Some(object) = store.get(&meta.name).await.map_err(failed("read"))? else { return Ok(()) };
    let draft = Draft {
        name: object.meta.name,
        labels: object.meta.labels,
        owner: wanted.cloned(),
        content: object.content,
        immutable: true,
    };
    match store.replace(&draft, &object.meta.token).await {
        // Collected, or changed by another maintainer: the next list tells.
        Ok(_) | Err(StoreError::Missing(_) | StoreError::Conflict(_)) => Ok(()),
        Err(error) => Err(failed("change")(error)),
    }
}
