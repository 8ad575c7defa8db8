//! The management of KvNamespaces over REST, on the cluster: an object is created, patched or deleted, and the answer
//! waits until this process's origin has followed.
//!
//! Titles are unique in an account as far as the API server can say so: the name of a KvNamespace that is created here
//! holds a hash of its title, so of two that are created at once with one title only one can be.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
};
use nearkv::{
    Error, Namespace, NamespaceId, NamespaceInfo, Namespaces, Reason, check_title, namespace_for_title,
};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use nearkv_controller::{api::KvNamespace, is_ending, namespace_of};

use crate::catalog::{Follower, Scope};
use nearkv_origin::{Health, Origin};

/// The field manager of what REST writes.
const MANAGER: &str = "nearkv-rest";
/// For one request to the API server: a client waits for it.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// How long the leader may take to reconcile a new KvNamespace, and this process to load or forget one.
const FOLLOW_LIMIT: Duration = Duration::from_secs(30);
/// Pause between two looks at the origin.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// Names that are tried for one title: each that is taken belongs to a KvNamespace that was renamed since.
const NAMES: u32 = 16;

/// [`Namespaces`] on the cluster's objects.
pub struct Managed {
    client: Client,
    followers: Vec<Follower>,
    origin: Arc<Origin>,
}

impl Managed {
    /// Within the scopes of these followers.
    #[must_use]
    pub fn new(client: Client, followers: Vec<Follower>, origin: Arc<Origin>) -> Self {
        Self { client, followers, origin }
    }

    fn api(&self, account: &str) -> Result<Api<KvNamespace>, Error> {
        let served = self.followers.iter().any(|follower| follower.scope.contains(account));
        if served {
            Ok(Api::namespaced(self.client.clone(), account))
        } else {
            Err(Error::account_missing(account))
        }
    }

    /// As far as the watch has come.
    fn followed(&self) -> impl Iterator<Item = NamespaceInfo> {
        let objects = self.followers.iter().flat_map(|follower| follower.store.state());
        objects.filter_map(|object| info(&object))
    }

    /// As the API server has them now.
    async fn look(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error> {
        let api = self.api(account)?;
        let listed = ask(account, "list the KvNamespaces", api.list(&ListParams::default())).await?;
        Ok(listed.items.iter().filter_map(info).collect())
    }

    async fn existing(&self, account: &str, id: NamespaceId) -> Result<NamespaceInfo, Error> {
        self.find(account, id).await?.ok_or_else(|| Error::namespace_unknown(account, id))
    }

    /// Waits until this process serves the KvNamespace.
    async fn until_loaded(&self, namespace: &Namespace) -> Result<(), Error> {
        let deadline = Instant::now() + FOLLOW_LIMIT;
        while Instant::now() < deadline {
            if self.origin.report(namespace).is_some_and(|report| report.health == Health::Ready) {
                return Ok(());
            }
            sleep(LOOK_PAUSE).await;
        }
        Err(Error::namespace_loading(namespace))
    }

    /// Waits until the watch shows the object as it was left; `left` is asked about what it shows.
    async fn until_followed(&self, namespace: &Namespace, left: impl Fn(Option<NamespaceInfo>) -> bool) {
        let deadline = Instant::now() + FOLLOW_LIMIT;
        while Instant::now() < deadline {
            if left(self.followed().find(|info| info.namespace == *namespace)) {
                return;
            }
            sleep(LOOK_PAUSE).await;
        }
        tracing::warn!(%namespace, "the watch has not shown a change of the KvNamespace in time");
    }
}

#[async_trait]
impl Namespaces for Managed {
    async fn accounts(&self) -> Result<Vec<String>, Error> {
        let mut accounts: Vec<String> =
            self.followed().map(|info| info.namespace.account().to_owned()).collect();
        accounts.extend(self.followers.iter().filter_map(|follower| match &follower.scope {
            Scope::Account(name) => Some(name.to_string()),
            Scope::Cluster => None,
        }));
        accounts.sort_unstable();
        accounts.dedup();
        Ok(accounts)
    }

    async fn list(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error> {
        self.api(account)?;
        let mut own: Vec<_> = self.followed().filter(|info| info.namespace.account() == account).collect();
        own.sort_by(|a, b| a.namespace.cmp(&b.namespace));
        Ok(own)
    }

    async fn find(&self, account: &str, id: NamespaceId) -> Result<Option<NamespaceInfo>, Error> {
        let has_it = |info: &NamespaceInfo| info.namespace.account() == account && info.namespace.id() == id;
        if let Some(found) = self.followed().find(has_it) {
            return Ok(Some(found));
        }
        Ok(self.look(account).await?.into_iter().find(has_it))
    }

    async fn create(&self, account: &str, title: &str) -> Result<NamespaceInfo, Error> {
        check_title(title)?;
        let api = self.api(account)?;
        if self.look(account).await?.iter().any(|info| info.title == title) {
            return Err(Error::title_taken(account, title));
        }
        for salt in 0..NAMES {
            let namespace = namespace_for_title(account, title, salt)?;
            let mut object = KvNamespace::new(namespace.name(), Default::default());
            object.spec.title = Some(title.to_owned());
            let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
            match timeout(REQUEST_LIMIT, api.create(&parameters, &object)).await {
                Ok(Ok(_)) => {
                    self.until_loaded(&namespace).await?;
                    return Ok(NamespaceInfo { namespace, title: title.to_owned() });
                }
                Ok(Err(kube::Error::Api(status))) if status.is_already_exists() => {
                    let present = ask(account, "read a KvNamespace", api.get_opt(namespace.name())).await?;
                    if present.as_ref().and_then(info).is_some_and(|info| info.title == title) {
                        return Err(Error::title_taken(account, title));
                    }
                }
                Ok(Err(error)) => return Err(refused(account, "create a KvNamespace", error)),
                Err(_) => return Err(silent("create a KvNamespace")),
            }
        }
        Err(Error::title_taken(account, title))
    }

    async fn rename(&self, account: &str, id: NamespaceId, title: &str) -> Result<NamespaceInfo, Error> {
        check_title(title)?;
        let api = self.api(account)?;
        let NamespaceInfo { namespace, .. } = self.existing(account, id).await?;
        let others = self.look(account).await?;
        if others.iter().any(|info| info.title == title && info.namespace != namespace) {
            return Err(Error::title_taken(account, title));
        }
        let patch = Patch::Merge(json!({ "spec": { "title": title } }));
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patched = api.patch(namespace.name(), &parameters, &patch);
        ask(account, "rename the KvNamespace", patched).await?;
        let renamed = NamespaceInfo { namespace: namespace.clone(), title: title.to_owned() };
        self.until_followed(&namespace, |shown| shown.is_none_or(|shown| shown == renamed)).await;
        Ok(renamed)
    }

    async fn delete(&self, account: &str, id: NamespaceId) -> Result<(), Error> {
        let api = self.api(account)?;
        let NamespaceInfo { namespace, .. } = self.existing(account, id).await?;
        let present = ask(account, "read the KvNamespace", api.get_opt(namespace.name())).await?;
        let uid = present.ok_or_else(|| Error::namespace_unknown(account, id))?.uid();
        // Not another one that was created under the name meanwhile.
        let preconditions = Preconditions { uid, resource_version: None };
        let parameters = DeleteParams::default().preconditions(preconditions);
        ask(account, "delete the KvNamespace", api.delete(namespace.name(), &parameters)).await?;
        self.until_followed(&namespace, |shown| shown.is_none()).await;
        Ok(())
    }
}

/// What REST shows of an object; nothing of one that ends.
fn info(object: &KvNamespace) -> Option<NamespaceInfo> {
    let namespace = namespace_of(&object.metadata).ok().filter(|_| !is_ending(object))?;
    let title = object.spec.title.clone().unwrap_or_else(|| namespace.name().to_owned());
    Some(NamespaceInfo { namespace, title })
}

async fn ask<T>(
    account: &str,
    action: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match timeout(REQUEST_LIMIT, request).await {
        Ok(answer) => answer.map_err(|error| refused(account, action, error)),
        Err(_) => Err(silent(action)),
    }
}

fn refused(account: &str, action: &str, error: kube::Error) -> Error {
    let (reason, text) = match &error {
        kube::Error::Api(status) if status.code == 404 => {
            return Error::account_missing(account).with_source(error);
        }
        kube::Error::Api(status) if status.code == 429 => {
            (Reason::Throttled, format!("The API server asks for patience; failed to {action}"))
        }
        kube::Error::Api(status) if (400..500).contains(&status.code) => {
            (Reason::StoreRefused, format!("The API server refuses to {action}: {}", text_of(status)))
        }
        _ => (Reason::Unavailable, format!("The API server cannot be asked; failed to {action}")),
    };
    Error::new(reason, text).with_source(error)
}

fn text_of(status: &kube::core::Status) -> &str {
    &status.message
}

fn silent(action: &str) -> Error {
    Error::new(Reason::Unavailable, format!("The API server does not answer; failed to {action}"))
}
