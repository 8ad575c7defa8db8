//! The KvNamespaces that there are, for the origin's live look and for REST: here nothing is newer than memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use nearkv::{Error, Namespace, NamespaceId, NamespaceInfo};
use nearkv_origin::{Catalog, NamespaceConfig};
use parking_lot::RwLock;

/// The account that is shown where there is no KvNamespace yet: the one a manifest without a namespace is in.
const DEFAULT_ACCOUNT: &str = "default";

/// All of them, with their titles. Filled by [`super::world::World`].
#[derive(Debug, Default)]
pub(super) struct Known(RwLock<BTreeMap<Namespace, (NamespaceConfig, String)>>);

impl Known {
    pub(super) fn insert(&self, config: NamespaceConfig, title: String) {
        self.0.write().insert(config.namespace.clone(), (config, title));
    }

    pub(super) fn remove(&self, namespace: &Namespace) {
        self.0.write().remove(namespace);
    }

    pub(super) fn accounts(&self) -> Vec<String> {
        let mut accounts: Vec<String> =
            self.0.read().keys().map(|namespace| namespace.account().to_owned()).collect();
        accounts.dedup();
        if accounts.is_empty() { vec![DEFAULT_ACCOUNT.to_owned()] } else { accounts }
    }

    pub(super) fn list(&self, account: &str) -> Vec<NamespaceInfo> {
        let known = self.0.read();
        let own = known.iter().filter(|(namespace, _)| namespace.account() == account);
        own.map(|(namespace, (_, title))| NamespaceInfo {
            namespace: namespace.clone(),
            title: title.clone(),
        })
        .collect()
    }

    pub(super) fn find(&self, account: &str, id: NamespaceId) -> Option<NamespaceInfo> {
        self.list(account).into_iter().find(|info| info.namespace.id() == id)
    }
}

#[async_trait]
impl Catalog for Known {
    async fn look(&self, namespace: &Namespace) -> Result<Option<NamespaceConfig>, Error> {
        Ok(self.0.read().get(namespace).map(|(config, _)| config.clone()))
    }
}
