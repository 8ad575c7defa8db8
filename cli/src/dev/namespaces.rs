//! The management of KvNamespaces over REST, in development mode: looked up in what the origin's live look knows, and
//! changed by [`World`], which has the manifests, in its turn.

use std::sync::Arc;

use async_trait::async_trait;
use nearkv::{Error, Namespace, NamespaceId, NamespaceInfo, Namespaces, Reason};
use tokio::sync::{mpsc, oneshot};

use super::catalog::Known;
use super::world::{ChangeError, World};

/// Changes that may wait for their turn; one more waits with its client.
const WAITING: usize = 16;

/// A change of the KvNamespaces that a client asks for.
#[derive(Debug)]
enum Change {
    Create { account: String, title: String },
    Rename { namespace: Namespace, title: String },
    Delete { namespace: Namespace },
}

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    change: Change,
    reply: oneshot::Sender<Result<NamespaceInfo, Error>>,
}

/// The face towards the servers.
pub(super) struct Managed {
    known: Arc<Known>,
    requests: mpsc::Sender<Request>,
}

impl Managed {
    /// With the requests that are to be answered by [`answer`].
    pub(super) fn new(known: Arc<Known>) -> (Arc<Self>, mpsc::Receiver<Request>) {
        let (requests, waiting) = mpsc::channel(WAITING);
        (Arc::new(Self { known, requests }), waiting)
    }

    async fn ask(&self, change: Change) -> Result<NamespaceInfo, Error> {
        let ending = || Error::new(Reason::Unavailable, "Development mode is shutting down");
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { change, reply }).await.map_err(|_| ending())?;
        answer.await.map_err(|_| ending())?
    }

    fn existing(&self, account: &str, id: NamespaceId) -> Result<Namespace, Error> {
        let found = self.known.find(account, id).map(|info| info.namespace);
        found.ok_or_else(|| Error::namespace_unknown(account, id))
    }
}

#[async_trait]
impl Namespaces for Managed {
    async fn accounts(&self) -> Result<Vec<String>, Error> {
        Ok(self.known.accounts())
    }

    async fn list(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error> {
        Ok(self.known.list(account))
    }

    async fn find(&self, account: &str, id: NamespaceId) -> Result<Option<NamespaceInfo>, Error> {
        Ok(self.known.find(account, id))
    }

    async fn create(&self, account: &str, title: &str) -> Result<NamespaceInfo, Error> {
        self.ask(Change::Create { account: account.to_owned(), title: title.to_owned() }).await
    }

    async fn rename(&self, account: &str, id: NamespaceId, title: &str) -> Result<NamespaceInfo, Error> {
        let namespace = self.existing(account, id)?;
        self.ask(Change::Rename { namespace, title: title.to_owned() }).await
    }

    async fn delete(&self, account: &str, id: NamespaceId) -> Result<(), Error> {
        let namespace = self.existing(account, id)?;
        self.ask(Change::Delete { namespace }).await.map(drop)
    }
}

/// Makes a change that was asked for, and tells who waits. A client that has gone hears nothing.
pub(super) async fn answer(world: &mut World, Request { change, reply }: Request) {
    let changed = match change {
        Change::Create { account, title } => world.create(&account, &title).await,
        Change::Rename { namespace, title } => world.rename(&namespace, &title).await,
        Change::Delete { namespace } => world.delete(&namespace).await,
    };
    let _ = reply.send(changed.map_err(|error| {
        match error {
            ChangeError::Refused(error) => error,
            ChangeError::Failed(error) => {
                Error::new(Reason::Internal, format!("The KvNamespace cannot be changed: {error}"))
                    .with_source(error)
            }
        }
    }));
}
