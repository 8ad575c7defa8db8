//! [`Cluster`]: the object store of production. An object is a ConfigMap, its token the `resourceVersion`,
//! its identity the UID, a folder a Kubernetes namespace.

mod clock;
mod convert;
mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod watch;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use http::{
    HeaderValue, Request,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_pb::apimachinery::pkg::apis::meta::v1::{PartialObjectMetadata, PartialObjectMetadataList};
use kube::{
    Api, Client, Config, Resource,
    api::{DeleteParams, GetParams, ListParams, PostParams, Preconditions},
    client::{Body, ClientBuilder},
    core::Request as ApiRequest,
};
use nearkv::{Clock, Random, UnixMillis};
use prost::Message;
use tokio::time::timeout;

use self::clock::ObservedTime;
use crate::client::traced;
use nearkv_origin::store::{
    Draft, Meta, Object, ObjectId, ObjectName, ObjectStore, Selector, StoreError, Token, WatchEvent,
    WatchScope,
};

/// After this a call's outcome is unknown. An API server answers in milliseconds, and while etcd elects a
/// leader within a second or two.
pub const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Who has written an object, in its `managedFields`.
const FIELD_MANAGER: &str = "nearkv";
/// Objects per page of a list: metadata only, some 600 bytes each.
const PAGE: u32 = 500;
/// Whole objects. What is refused is told in JSON where an API server has no protobuf for it.
const OBJECT: &str = "application/vnd.kubernetes.protobuf, application/json;q=0.5";
/// The answer to a write repeats what was written, unless it is asked for in this form.
const METADATA: &str =
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json;q=0.5";
/// A list of metadata.
const METADATA_LIST: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1, application/json;q=0.5";

/// The ConfigMaps of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// The parts of the cluster that count, each watched by itself.
    scopes: Arc<[WatchScope]>,
    time: ObservedTime,
    random: Arc<Random>,
}

impl Cluster {
    /// Connects with a configuration of kube's; the first call will show whether it works. Only `folders`
    /// are listed and watched where a selector names none; all of the cluster, if `folders` is empty. The canary is put
    /// into each of them, or into `home`, the operator's own Kubernetes namespace, if that is all of the cluster.
    ///
    /// The client is made here, because it must not repeat a request by itself as kube's clients do after 429,
    /// 503 and 504: a write that was committed at the first attempt would meet a conflict with itself.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn connect(
        mut config: Config,
        folders: Vec<String>,
        home: &str,
        clock: Arc<dyn Clock>,
        random: Arc<Random>,
    ) -> kube::Result<Self> {
        let time = ObservedTime::new(clock);
        config.default_retry = false;
        let client = ClientBuilder::try_from(config)?.with_layer(&time).with_layer(&traced()).build();
        Ok(Self { client, scopes: scopes(folders, home), time, random })
    }

    fn api(&self, folder: &str) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), folder)
    }

    /// The parts of the cluster that a selector shows; `None` is all of it.
    fn folders_of<'a>(&'a self, selector: &'a Selector) -> Vec<Option<&'a str>> {
        match &selector.folder {
            Some(folder) => vec![Some(folder)],
            None => self.scopes.iter().map(|scope| scope.folder.as_deref()).collect(),
        }
    }

    async fn call<T>(
        &self,
        action: &'static str,
        name: &ObjectName,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, StoreError> {
        match timeout(CALL_DEADLINE, call).await {
            Ok(answer) => answer.map_err(|error| convert::error(action, name, error)),
            Err(elapsed) => Err(convert::unknown(action, name, elapsed)),
        }
    }

    /// Sends a request and decodes the answer.
    async fn ask<M: Message + Default>(
        &self,
        action: &'static str,
        name: &ObjectName,
        accept: &'static str,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<M, StoreError> {
        let mut request = request
            .map_err(|error| StoreError::Refused { name: name.clone(), message: error.to_string() })?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(encode::MEDIA_TYPE));
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        request.extensions_mut().insert(action);
        let answer = async {
            let (head, body) = self.client.send(request.map(Body::from)).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            if head.status.is_success() {
                return Ok(body);
            }
            Err(kube::Error::Api(decode::refusal(head.status, &body).boxed()))
        };
        let body = self.call(action, name, answer).await?;
        decode::message(&body).map_err(|error| convert::unknown(action, name, error))
    }

    /// Sends a write, and reads no more than the metadata of its result.
    async fn write(
        &self,
        action: &'static str,
        name: &ObjectName,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Meta, StoreError> {
        let written: PartialObjectMetadata = self.ask(action, name, METADATA, request).await?;
        convert::meta(decode::object_meta(written.metadata))
    }
}

/// Requests for the ConfigMaps of a Kubernetes namespace; of all, if none is named.
fn requests(folder: Option<&str>) -> ApiRequest {
    ApiRequest::new(ConfigMap::url_path(&(), folder))
}

#[async_trait]
impl ObjectStore for Cluster {
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        let request = requests(Some(&name.folder)).get(&name.name, &GetParams::default());
        match self.ask("get", name, OBJECT, request).await {
            Ok(map) => convert::object(decode::config_map(map)).map(Some),
            Err(StoreError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError> {
        let name = ObjectName::new(selector.folder.as_deref().unwrap_or("*"), "*");
        let mut metas = Vec::new();
        for folder in self.folders_of(selector) {
            // Without `resourceVersion` a list is consistent: it shows every write before it.
            let mut params = ListParams::default().labels(&labels(&selector.labels)).limit(PAGE);
            loop {
                let request = requests(folder).list(&params);
                let page: PartialObjectMetadataList = self.ask("list", &name, METADATA_LIST, request).await?;
                for item in page.items {
                    metas.push(convert::meta(decode::object_meta(item.metadata))?);
                }
                let continued = page.metadata.and_then(|metadata| metadata.r#continue);
                params.continue_token = continued.filter(|token| !token.is_empty());
                if params.continue_token.is_none() {
                    break;
                }
            }
        }
        Ok(metas)
    }

    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError> {
        let (name, body) = (&draft.name, encode::body(draft, None));
        self.write("create", name, requests(Some(&name.folder)).create(&params(), body)).await
    }

    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        // To the API server no version, and the version 0, mean "whatever it is now".
        if expected.0.parse::<u64>().unwrap_or_default() == 0 {
            return Err(StoreError::Conflict(draft.name.clone()));
        }
        let (name, body) = (&draft.name, encode::body(draft, Some(expected)));
        let request = requests(Some(&name.folder)).replace(&name.name, &params(), body);
        self.write("replace", name, request).await
    }

    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        let preconditions = Preconditions { uid: Some(id.0.to_string()), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        let api = self.api(&name.folder);
        self.call("delete", name, api.delete(&name.name, &params)).await.map(drop)
    }

    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent> {
        let api = match &selector.folder {
            Some(folder) => self.api(folder),
            None => Api::all(self.client.clone()),
        };
        watch::follow(api, labels(&selector.labels), Arc::clone(&self.random))
    }

    fn scopes(&self) -> Vec<WatchScope> {
        self.scopes.to_vec()
    }

    fn time(&self) -> Option<UnixMillis> {
        self.time.now()
    }
}

/// These Kubernetes namespaces one by one, or the whole cluster.
fn scopes(folders: Vec<String>, home: &str) -> Arc<[WatchScope]> {
    if folders.is_empty() {
        return [WatchScope { folder: None, canary: Some(home.into()) }].into();
    }
    let scope = |folder: String| {
        let folder: Arc<str> = folder.into();
        WatchScope { folder: Some(Arc::clone(&folder)), canary: Some(folder) }
    };
    folders.into_iter().map(scope).collect()
}

fn params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// Labels as a label selector.
fn labels(labels: &[(String, Vec<String>)]) -> String {
    let terms: Vec<_> =
        labels.iter().map(|(key, values)| format!("{key} in ({})", values.join(","))).collect();
    terms.join(",")
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}
