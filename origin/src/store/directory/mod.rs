//! [`Directory`]: an object store in a folder of the file system, for development mode. One file per object,
//! the manifest of a ConfigMap, so that `kubectl apply --server-side -R -f` takes the folder to a cluster.
//!
//! An acknowledged write is on the disk, whatever ends the process. Names, versions and labels are held in
//! memory; content is read when it is asked for. Calls run on tokio's blocking threads.

mod files;
mod index;
mod manifest;
#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use nearkv::{Clock, Random, UnixMillis};
use tokio::{
    select,
    sync::broadcast::{self, error::RecvError},
    task::spawn_blocking,
    time::sleep,
};

use self::index::Index;
use crate::store::{
    Draft, Meta, Object, ObjectId, ObjectName, ObjectStore, Selector, StoreError, Token, WatchEvent,
    WatchScope,
};

/// A silent watch says this often that it is current. It costs nothing here.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(1);
/// A watch that cannot read the folder tries again after this.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// An object store in a folder, which no other process can use meanwhile. Cheap to clone.
#[derive(Clone)]
pub struct Directory(Arc<Index>);

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the data folder {} is in use by another process; stop that one, or choose another folder with --data",
        folder.display()
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The file system refuses.
    #[error("failed to {action} {}: {source}; check the permissions, and that the disk is not full", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file is not what the store writes. Nothing was changed.
    #[error("{0}; repair the file, take it from a copy, or start with another folder (--data)")]
    Damaged(#[source] StoreError),
}

impl OpenError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

impl Directory {
    /// Takes the folder, making it if there is none, and reads what is in it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] if another process has it; [`OpenError::Damaged`] with file and line if something
    /// in it cannot be read: nothing is dropped or reset.
    pub async fn open(data: &Path, clock: Arc<dyn Clock>, random: Arc<Random>) -> Result<Self, OpenError> {
        let folder = data.to_owned();
        match spawn_blocking(move || Index::open(folder, clock, &random)).await {
            Ok(index) => Ok(Self(Arc::new(index?))),
            Err(error) => Err(OpenError::io("read", data)(io::Error::other(error))),
        }
    }

    /// Deletes every object of the owner with this identity: what a cluster's garbage collector does.
    ///
    /// # Errors
    /// The first that a deletion meets; what is deleted by then stays so.
    pub async fn remove_owned(&self, owner_id: &str) -> Result<usize, StoreError> {
        let metas = self.0.list(&Selector::default());
        let is_owned = |meta: &Meta| meta.owner.as_ref().is_some_and(|owner| owner.id == owner_id);
        let mut removed = 0;
        for meta in metas.into_iter().filter(is_owned) {
            match self.delete(&meta.name, &meta.id).await {
                Ok(()) => removed += 1,
                Err(StoreError::Missing(_) | StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// Runs blocking work to its end, also if the caller does not wait for it.
    async fn run<T: Send + 'static>(
        &self,
        action: &'static str,
        name: &ObjectName,
        work: impl FnOnce(&Index) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let index = Arc::clone(&self.0);
        let unknown = |error| StoreError::Unknown { action, name: name.clone(), source: Arc::new(error) };
        spawn_blocking(move || work(&index)).await.map_err(unknown)?
    }
}

#[async_trait]
impl ObjectStore for Directory {
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        let wanted = name.clone();
        self.run("get", name, move |index| index.get(&wanted)).await
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError> {
        Ok(self.0.list(selector))
    }

    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError> {
        let wanted = draft.clone();
        self.run("create", &draft.name, move |index| index.create(wanted)).await
    }

    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        let (wanted, expected) = (draft.clone(), expected.clone());
        self.run("replace", &draft.name, move |index| index.replace(wanted, &expected)).await
    }

    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        let (wanted, id) = (name.clone(), id.clone());
        self.run("delete", name, move |index| index.delete(&wanted, &id)).await
    }

    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent> {
        let watch = Watch { directory: self.clone(), selector: selector.clone(), changes: None };
        stream::unfold(watch, |mut watch| async move { Some((watch.next().await, watch)) }).boxed()
    }

    fn scopes(&self) -> Vec<WatchScope> {
        vec![WatchScope::default()]
    }

    fn time(&self) -> Option<UnixMillis> {
        None
    }
}

/// One watch; `changes` is there once the state has been shown from which they go on.
struct Watch {
    directory: Directory,
    selector: Selector,
    changes: Option<broadcast::Receiver<WatchEvent>>,
}

impl Watch {
    async fn next(&mut self) -> WatchEvent {
        loop {
            let Some(changes) = &mut self.changes else { return self.reset().await };
            let change = select! {
                biased;
                change = changes.recv() => change,
                () = sleep(BOOKMARK_INTERVAL) => return WatchEvent::Current,
            };
            match change {
                Ok(event) if index::is_shown(&event, &self.selector) => return event,
                Ok(_) => {}
                // This watch was not polled for a while. The present state is all that matters.
                Err(RecvError::Lagged(_) | RecvError::Closed) => self.changes = None,
            }
        }
    }

    async fn reset(&mut self) -> WatchEvent {
        let name = ObjectName::new(self.selector.folder.as_deref().unwrap_or("*"), "*");
        let selector = self.selector.clone();
        match self.directory.run("watch", &name, move |index| index.snapshot(&selector)).await {
            Ok((objects, changes)) => {
                self.changes = Some(changes);
                WatchEvent::Reset(objects)
            }
            Err(error) => {
                tracing::error!(%error, "failed to read the data folder for a watch; trying again");
                sleep(RETRY_PAUSE).await;
                WatchEvent::Broken
            }
        }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Directory").field(&self.0.folder()).finish()
    }
}
