//! The KvNamespaces that there are, for the origin's live look: here nothing is newer than memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use nearkv::{Error, Namespace};
use nearkv_operator::origin::{Catalog, NamespaceConfig};
use parking_lot::RwLock;

/// All of them. Filled by [`super::world::World`].
#[derive(Debug, Default)]
pub(super) struct Known(RwLock<BTreeMap<Namespace, NamespaceConfig>>);

impl Known {
    pub(super) fn insert(&self, config: NamespaceConfig) {
        self.0.write().insert(config.namespace.clone(), config);
    }

    pub(super) fn remove(&self, namespace: &Namespace) {
        self.0.write().remove(namespace);
    }
}

#[async_trait]
impl Catalog for Known {
    async fn look(&self, namespace: &Namespace) -> Result<Option<NamespaceConfig>, Error> {
        Ok(self.0.read().get(namespace).cloned())
    }
}
