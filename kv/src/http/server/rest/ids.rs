//! Namespace ids as the KvNamespaces they stand for. An id is a hash of account and name, so what was found once
//! stays true; only whether the KvNamespace still exists is asked each time, by the operation itself.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use crate::{
    Error, Namespace, NamespaceId, Namespaces,
    access::{Access, Caller, Guard, Verb},
};

/// Most ids that are remembered: about 200 bytes each.
const REMEMBERED: usize = 10_000;

/// Finds KvNamespaces by their ids.
pub(super) struct Ids {
    namespaces: Arc<dyn Namespaces>,
    guard: Option<Arc<Guard>>,
    found: RwLock<HashMap<NamespaceId, Namespace>>,
}

impl Ids {
    /// `namespaces` itself: who may use the values of a KvNamespace need not be one who may see the object. Where there
    /// is a guard, only somebody known makes this server look, and that there is none is told to those who might see it.
    pub(super) fn new(namespaces: Arc<dyn Namespaces>, guard: Option<Arc<Guard>>) -> Self {
        Self { namespaces, guard, found: RwLock::default() }
    }

    /// The KvNamespace of the account with this id.
    ///
    /// # Errors
    /// `namespace-malformed` (400), `namespace-unknown` (404), and what the lookup fails with.
    pub(super) async fn namespace(&self, account: &str, id: &str) -> Result<Namespace, Error> {
        let id: NamespaceId = id.parse()?;
        let known = self.found.read().get(&id).cloned();
        if let Some(namespace) = known.filter(|namespace| namespace.account() == account) {
            return Ok(namespace);
        }
        self.admit(Access::Authenticated).await?;
        let Some(info) = Caller::Internal.scope(self.namespaces.find(account, id)).await? else {
            self.admit(Access::account(account, Verb::Get)).await?;
            return Err(Error::namespace_unknown(account, id));
        };
        let namespace = info.namespace;
        let mut found = self.found.write();
        if found.len() >= REMEMBERED {
            found.clear();
        }
        found.insert(id, namespace.clone());
        Ok(namespace)
    }

    /// Whether the caller may go on; where there is no guard, everybody may.
    pub(super) async fn admit(&self, access: Access) -> Result<(), Error> {
        match &self.guard {
            Some(guard) => guard.admit(&Caller::current(), access).await.map(drop),
            None => Ok(()),
        }
    }
}
