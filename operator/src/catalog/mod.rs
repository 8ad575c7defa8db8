//! The KvNamespace objects of the cluster, on every replica, leader or not: [`follow`] keeps the origin's
//! configuration current, and [`KubeCatalog`] is the live look before "No such KvNamespace" is answered.

mod follow;
mod touched;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use kube::{Api, Client};
use nearkv::{Error, Namespace, Reason};
use tokio::time::timeout;

pub use follow::{Follower, follow};

use nearkv_controller::{api::KvNamespace, config_of, is_ending};
use nearkv_origin::{Catalog, NamespaceConfig};

/// For one look: a request waits for it.
const LOOK_LIMIT: Duration = Duration::from_secs(3);

/// Where KvNamespaces are watched: one Kubernetes namespace, or all of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All Kubernetes namespaces.
    Cluster,
    /// One Kubernetes namespace.
    Account(Arc<str>),
}

impl Scope {
    /// The scopes of `--watch-namespace`, each once; all Kubernetes namespaces without any.
    #[must_use]
    pub fn of(watched: &[String]) -> Vec<Self> {
        if watched.is_empty() {
            return vec![Self::Cluster];
        }
        let mut scopes: Vec<Self> = watched.iter().map(|name| Self::Account(name.as_str().into())).collect();
        scopes.sort();
        scopes.dedup();
        scopes
    }

    /// Whether it contains the account.
    #[must_use]
    pub fn contains(&self, account: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Account(name) => **name == *account,
        }
    }

    /// The API of a namespaced kind in it.
    pub(crate) fn api<K>(&self, client: Client) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        match self {
            Self::Cluster => Api::all(client),
            Self::Account(name) => Api::namespaced(client, name),
        }
    }
}

/// The live look.
pub struct KubeCatalog {
    client: Client,
    scopes: Vec<Scope>,
}

impl KubeCatalog {
    /// Looks into these scopes; outside of them there is no KvNamespace.
    #[must_use]
    pub fn new(client: Client, scopes: Vec<Scope>) -> Self {
        Self { client, scopes }
    }
}

#[async_trait]
impl Catalog for KubeCatalog {
    async fn look(&self, namespace: &Namespace) -> Result<Option<NamespaceConfig>, Error> {
        if !self.scopes.iter().any(|scope| scope.contains(namespace.account())) {
            return Ok(None);
        }
        let api: Api<KvNamespace> = Api::namespaced(self.client.clone(), namespace.account());
        let unavailable =
            || Error::new(Reason::Unavailable, format!("KvNamespace {namespace} cannot be looked up"));
        let found = timeout(LOOK_LIMIT, api.get_opt(namespace.name()))
            .await
            .map_err(|error| unavailable().with_source(error))?
            .map_err(|error| unavailable().with_source(error))?;
        match found {
            Some(object) if !is_ending(&object) => {
                config_of(&object).map(Some).map_err(|error| unavailable().with_source(error))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watched_namespaces_are_scopes_once_each() {
        assert_eq!(Scope::of(&[]), [Scope::Cluster]);
        let scopes = Scope::of(&["b".into(), "a".into(), "b".into()]);
        assert_eq!(scopes, [Scope::Account("a".into()), Scope::Account("b".into())]);
        assert!(scopes[0].contains("a") && !scopes[0].contains("b"));
        assert!(Scope::Cluster.contains("a"));
    }
}
