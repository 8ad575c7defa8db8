//! The cluster's side of the controller: ConfigMaps read by name, status written by server-side apply, Events.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::events::{Event as KubeEvent, EventType, Recorder, Reporter},
};
use nearkv_origin::Pace;
use serde_json::json;
use tokio::time::{error::Elapsed, timeout};

use nearkv_controller::{
    ConfigMaps, DereferenceError, Event,
    api::{KvNamespace, KvNamespaceStatus},
};

/// The field manager of the status, and the reporting controller of Events.
pub const CONTROLLER: &str = "nearkv-operator";

/// For one request: kube's own limit is made for watches.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);

/// Fields of the status that the CRD of an earlier version does not have: during an upgrade and after a rollback it may be the
/// one in force. The API server refuses a whole status for one of them.
const LATER_FIELDS: [&str; 1] = ["lastRepairResult"];

/// A request to the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It was refused, or the API server cannot be reached.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// It was not answered.
    #[error("no answer within {} s", REQUEST_LIMIT.as_secs())]
    TimedOut(#[from] Elapsed),
}

impl RequestError {
    /// Whether the CRD in force lacks a field of what was sent. The API server has no reason of its own for that.
    fn is_unknown_field(&self) -> bool {
        matches!(self, Self::Kube(kube::Error::Api(status)) if status.message.contains("field not declared in schema"))
    }
}

async fn limited<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, RequestError> {
    Ok(timeout(REQUEST_LIMIT, request).await??)
}

/// The API server, as the controller uses it. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    reporter: Reporter,
    /// What is sent to the API server, data and statuses together.
    pace: Arc<Pace>,
}

/// The status could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the status of KvNamespace {namespace}/{name}: {source}")]
pub struct StatusError {
    namespace: String,
    name: String,
    source: RequestError,
}

impl StatusError {
    /// Whether the object is gone, or another one stands in its place: then there is nothing to write to.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(&self.source, RequestError::Kube(kube::Error::Api(status)) if matches!(status.code, 404 | 409))
    }
}

impl Cluster {
    /// `identity` stands in Events as the reporting instance; `pace` bounds what the whole process sends.
    #[must_use]
    pub fn new(client: Client, identity: &str, pace: Arc<Pace>) -> Self {
        let reporter = Reporter { controller: CONTROLLER.into(), instance: Some(identity.to_owned()) };
        Self { client, reporter, pace }
    }

    /// The object as it is now.
    ///
    /// # Errors
    /// If the API server cannot be asked.
    pub async fn get(&self, object: &KvNamespace) -> Result<Option<KvNamespace>, RequestError> {
        limited(self.api(object).get_opt(&object.name_any())).await
    }

    /// Writes the status. The UID goes with it: what was true of an object must not be written into another one
    /// that was created under its name, least of all that its data exist.
    ///
    /// # Errors
    /// If the API server refuses it or cannot be asked.
    pub async fn write_status(
        &self,
        object: &KvNamespace,
        status: &KvNamespaceStatus,
    ) -> Result<(), StatusError> {
        let mut apply = json!({
            "apiVersion": KvNamespace::api_version(&()),
            "kind": KvNamespace::kind(&()),
            "metadata": { "name": object.name_any(), "uid": object.metadata.uid },
            "status": status,
        });
        // etcd gets a revision of the whole object, whose declared entries may be much larger than its status.
        let sizes = [serde_json::to_vec(object), serde_json::to_vec(status)];
        self.pace.spend(sizes.iter().flatten().map(|json| json.len() as u64).sum());
        let parameters = PatchParams::apply(CONTROLLER).force();
        let (api, name) = (self.api(object), object.name_any());
        let mut written = limited(api.patch_status(&name, &parameters, &Patch::Apply(&apply))).await;
        if written.as_ref().is_err_and(RequestError::is_unknown_field) {
            if let Some(status) = apply["status"].as_object_mut() {
                status.retain(|field, _| !LATER_FIELDS.contains(&field.as_str()));
            }
            written = limited(api.patch_status(&name, &parameters, &Patch::Apply(&apply))).await;
        }
        written.map(drop).map_err(|source| StatusError {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            source,
        })
    }

    /// Publishes an Event; one that fails is logged and lost, as Events are.
    pub async fn publish(&self, object: &KvNamespace, event: Event) {
        let Event { warning, reason, action, note } = event;
        let event = KubeEvent {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason,
            note: Some(note),
            action: action.to_owned(),
            secondary: None,
        };
        // A recorder counts what differs only in its note as a repetition, and the keys stand in the note.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        if let Err(error) = limited(recorder.publish(&event, &object.object_ref(&()))).await {
            tracing::warn!(%error, reason = event.reason, "failed to publish an Event");
        }
    }

    fn api(&self, object: &KvNamespace) -> Api<KvNamespace> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }
}

#[async_trait]
impl ConfigMaps for Cluster {
    async fn get(&self, account: &str, name: &str) -> Result<Option<ConfigMap>, DereferenceError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), account);
        limited(api.get_opt(name)).await.map_err(|source| DereferenceError {
            account: account.to_owned(),
            name: name.to_owned(),
            source: Box::new(source),
        })
    }
}
