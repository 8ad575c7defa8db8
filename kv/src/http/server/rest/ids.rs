//! Namespace ids as the KvNamespaces they stand for. An id is a hash of account and name, so what was found once
//! stays true; only whether the KvNamespace still exists is asked each time, by the operation itself.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use crate::{Error, Namespace, NamespaceId, Namespaces};

/// Most ids that are remembered: about 200 bytes each.
const REMEMBERED: usize = 10_000;

/// Finds KvNamespaces by their ids.
pub(super) struct Ids {
    namespaces: Arc<dyn Namespaces>,
    found: RwLock<HashMap<NamespaceId, Namespace>>,
}

impl Ids {
    pub(super) fn new(namespaces: Arc<dyn Namespaces>) -> Self {
        Self { namespaces, found: RwLock::default() }
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
        let info = self.namespaces.find(account, id).await?;
        let namespace = info.ok_or_else(|| Error::namespace_unknown(account, id))?.namespace;
        let mut found = self.found.write();
        if found.len() >= REMEMBERED {
            found.clear();
        }
        found.insert(id, namespace.clone());
        Ok(namespace)
    }
}
