//! One KvNamespace in one life of its object: its state, and who follows, commits and tends it. The engine keeps one
//! per KvNamespace and runs its tasks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use nearkv::{Answer, Entry, Error, GetOptions, Key, ListOptions, Lookup, Page, ReadOptions};
use tokio::{
    task::{Id, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    NamespaceConfig,
    commit::committer::Committer,
    follow::follower::Follower,
    state::context::Context,
    state::space::{Reconfigured, Space},
    upkeep::keeper::Keeper,
};

/// A configured KvNamespace with its tasks.
pub(crate) struct Instance {
    pub(crate) space: Arc<Space>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) keeper: Arc<Keeper>,
}

impl Instance {
    pub(crate) fn new(context: Arc<Context>, config: NamespaceConfig) -> Arc<Self> {
        let space = Space::new(context, config);
        let follower = Follower::new(Arc::clone(&space));
        let committer = Committer::new(Arc::clone(&space), Arc::clone(&follower));
        let keeper = Keeper::new(Arc::clone(&space), Arc::clone(&follower), Arc::clone(&committer));
        Arc::new(Self { space, follower, committer, keeper })
    }

    /// Takes a changed configuration; `false` if it belongs to another life of the KvNamespace.
    pub(crate) fn reconfigure(&self, config: &NamespaceConfig) -> bool {
        let reconfigured = self.space.reconfigure(config);
        if reconfigured == Reconfigured::Changed {
            self.follower.request_check();
        }
        reconfigured != Reconfigured::OtherUid
    }

    /// Ends everything after a task has panicked. What waits for a commit is refused; what was in one is unknown to its
    /// writers already, because the batch went with the task.
    pub(crate) fn fail(&self) {
        self.space.close();
        self.committer.close(&Error::namespace_loading(&self.space.namespace));
    }

    /// Ends everything: the KvNamespace is gone, or another one has its name.
    pub(crate) fn close(&self) {
        self.space.close();
        self.committer.close(&Error::namespace_missing(&self.space.namespace));
    }

    /// Follows, commits and tends until `shutdown` or the end of the KvNamespace.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let end = shutdown.child_token();
        let closed = async {
            tokio::select! {
                biased;
                () = self.space.closed.cancelled() => end.cancel(),
                () = end.cancelled() => {}
            }
        };
        tokio::join!(closed, self.follower.run(&end), self.committer.run(&end), self.keeper.run(&end));
    }

    pub(crate) async fn get(&self, key: &Key, options: &GetOptions) -> Result<Answer<Lookup>, Error> {
        let reading = self.follower.readable(&options.read).await?;
        self.space.get(&reading, key, options)
    }

    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        let reading = self.follower.readable(options).await?;
        self.space.get_many(&reading, keys, options)
    }

    pub(crate) async fn list(&self, options: &ListOptions) -> Result<Answer<Page>, Error> {
        let limit = Space::list_limit(options)?;
        let reading = self.follower.readable(&options.read).await?;
        self.space.list(&reading, limit, options)
    }
}

/// The running tasks of all instances, one each.
#[derive(Default)]
pub(crate) struct Tasks {
    tasks: JoinSet<()>,
    instances: HashMap<Id, Arc<Instance>>,
}

impl Tasks {
    /// Starts an instance after `pause`.
    pub(crate) fn start(&mut self, instance: Arc<Instance>, pause: Duration, shutdown: &CancellationToken) {
        let (running, shutdown) = (Arc::clone(&instance), shutdown.clone());
        let task = self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = sleep(pause) => running.run(shutdown.clone()).await,
            }
        });
        self.instances.insert(task.id(), instance);
    }

    /// Waits for a task that has panicked, past those that have ended in order; `None` once there are no tasks.
    pub(crate) async fn failed(&mut self) -> Option<Arc<Instance>> {
        loop {
            match self.tasks.join_next_with_id().await? {
                Ok((id, ())) => drop(self.instances.remove(&id)),
                Err(error) => {
                    let Some(failed) = self.instances.remove(&error.id()) else { continue };
                    tracing::error!(namespace = %failed.space.namespace, %error, "a task of the KvNamespace has failed");
                    return Some(failed);
                }
            }
        }
    }
}
