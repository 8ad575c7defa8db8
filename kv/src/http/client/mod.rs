//! The binding face as a client: a [`Kv`] that asks an origin or an edge over HTTP. Edges reach their upstream
//! with it; conformance runs over it.

mod answers;
mod bodies;
mod credentials;
mod failures;
mod namespaces;
mod questions;
mod requests;
mod settings;
mod trust;

use std::time::Duration;

use async_trait::async_trait;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::{RequestBuilder, Response};

pub use credentials::Credentials;
pub use settings::{ClientError, ClientSettings, Protocol};
pub use trust::Distrusted;

use crate::{
    Answer, BulkOutcome, DeleteOptions, Entry, Error, GetOptions, Key, Kv, ListOptions, Lookup, Mutation,
    Namespace, Page, PutOptions, ReadOptions, State, Value, Version,
    http::{mutations, names, tags::set_condition},
    limits::MAX_BULK_GET_BYTES,
};
use answers::{entry, page, state};
use bodies::{Sent, collect_if_small, value_of};
use credentials::Purpose;
use failures::{Operation, refused};
use requests::Target;

/// How long a bulk write may go without progress: between two pieces its source may pause, and behind the last one
/// the origin may have to wait for its turn at the API server.
const BULK_PATIENCE: Duration = Duration::from_secs(120);
/// Requests that one `get_many` has in flight.
const GET_MANY_CONCURRENCY: usize = 16;

/// A connection pool to one upstream. Cheap to clone.
///
/// A read whose upstream cannot be asked fails with `unavailable`; so does a write when no connection could be
/// made. Any other transport failure of a write is `outcome-unknown`: it is never sent twice.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    read_timeout: Duration,
    credentials: Credentials,
}

impl Client {
    /// A client of the server at `base`, for instance `http://127.0.0.1:8700`. Connects when first used.
    ///
    /// # Errors
    /// [`ClientError`] for a base that is no HTTP URL, and where TLS cannot be set up.
    pub fn new(base: &str, settings: &ClientSettings) -> Result<Self, ClientError> {
        let base = settings::base(base)?;
        Ok(Self {
            http: settings.build(&base)?,
            base,
            read_timeout: settings.read_timeout,
            credentials: Credentials::None,
        })
    }

    /// The same client with a token of its own. What it sends for a caller of this process's own server goes with the
    /// caller's token instead, if it writes values or manages KvNamespaces.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    fn authorize(&self, purpose: Purpose, request: RequestBuilder) -> Result<RequestBuilder, Error> {
        Ok(match self.credentials.authorization(purpose)? {
            Some(value) => request.header(header::AUTHORIZATION, value),
            None => request,
        })
    }

    /// Sends a request without a body, and has its answer's head. A read that is lost is asked once more: the
    /// server may just have closed the idle connection that the pool took.
    async fn ask(
        &self,
        operation: Operation,
        method: Method,
        target: Target<'_>,
        mut headers: HeaderMap,
    ) -> Result<Response, Error> {
        let purpose = if operation.is_write() { Purpose::WriteOrManage } else { Purpose::Read };
        requests::trace(&mut headers);
        let request = self.http.request(method, target.url(&self.base)).headers(headers);
        let request = self.authorize(purpose, request)?;
        let again = if operation.is_write() { None } else { request.try_clone() };
        let asked = async {
            match (request.send().await, again) {
                (Err(error), Some(again)) if !error.is_connect() => again.send().await,
                (result, _) => result,
            }
        };
        match tokio::time::timeout(self.read_timeout, asked).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(operation.transport(error)),
            Err(_) => Err(operation.timed_out()),
        }
    }

    /// The answer as it is, or the error it stands for.
    async fn accept(&self, operation: Operation, response: Response) -> Result<Response, Error> {
        let status = response.status();
        let plain = !response.headers().contains_key(&names::NEARKV_REASON);
        let absent = operation == Operation::Get
            && plain
            && matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        if status.is_success() || status == StatusCode::NOT_MODIFIED || absent {
            return Ok(response);
        }
        Err(refused(operation, response, self.read_timeout).await)
    }
}

#[async_trait]
impl Kv for Client {
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        let mut headers = requests::read_headers(&options.read);
        if let Some(version) = options.if_none_match {
            requests::insert(&mut headers, header::IF_NONE_MATCH, version.etag());
        }
        let target = Target::key(namespace, key).cache_ttl(options.read.cache_ttl);
        let response = self.ask(Operation::Get, Method::GET, target, headers).await?;
        let response = self.accept(Operation::Get, response).await?;
        let state = state(Operation::Get, response.headers())?;
        let body = match response.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Lookup::Absent,
            StatusCode::NOT_MODIFIED => {
                let Entry { version, expiration, .. } = entry(response.headers(), Value::from(""))?;
                Lookup::Unchanged { version, expiration }
            }
            _ => {
                let head = entry(response.headers(), Value::from(""))?;
                let value = collect_if_small(value_of(response, self.read_timeout)).await?;
                Lookup::Found(Entry { value, ..head })
            }
        };
        Ok(Answer { body, state })
    }

    /// One GET per key, several at a time: the bulk get of the face is for texts. The values are read into
    /// memory, and are refused with `total-too-large` (413) past the 25 MiB that a bulk get may have.
    async fn get_many(
        &self,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        let options = GetOptions { read: options.clone(), if_none_match: None };
        let gets = keys.iter().map(|key| self.get(namespace, key, &options)).collect::<Vec<_>>();
        let mut answers = stream::iter(gets).buffered(GET_MANY_CONCURRENCY);
        let (mut entries, mut combined, mut total) = (Vec::with_capacity(keys.len()), None::<State>, 0u64);
        while let Some(Answer { body, state }) = answers.try_next().await? {
            combined = Some(combined.map_or(state, |combined| combined.combine(state)));
            entries.push(match body {
                Lookup::Found(entry) => {
                    total += entry.value.length().unwrap_or_default();
                    if total > MAX_BULK_GET_BYTES {
                        return Err(Error::total_too_large());
                    }
                    Some(Entry { value: Value::Bytes(entry.value.into_bytes().await?), ..entry })
                }
                Lookup::Unchanged { .. } | Lookup::Absent => None,
            });
        }
        let state = combined.ok_or_else(|| Error::key_count_invalid(0))?;
        Ok(Answer { body: entries, state })
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        let PutOptions { expiration, metadata, condition } = options;
        let mut headers = HeaderMap::new();
        if let Some(metadata) = metadata {
            requests::insert(&mut headers, names::CF_KV_METADATA.clone(), metadata.as_str());
        }
        if let Some(condition) = condition {
            set_condition(&mut headers, condition);
        }
        requests::trace(&mut headers);
        let url = Target::key(namespace, key).expiration(*expiration).url(&self.base);
        let mut sent = Sent::new(value)?;
        let request = sent.attach(self.http.request(Method::PUT, url).headers(headers));
        let request = self.authorize(Purpose::WriteOrManage, request)?;
        let response = sent.watch(request.send(), self.read_timeout).await?;
        let response = self.accept(Operation::Put, response).await?;
        let state = state(Operation::Put, response.headers())?;
        let version = answers::etag(response.headers()).ok_or_else(|| Operation::Put.foreign())?;
        Ok(Answer { body: version, state })
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        let mut headers = HeaderMap::new();
        if let Some(condition) = &options.condition {
            set_condition(&mut headers, condition);
        }
        let target = Target::key(namespace, key);
        let response = self.ask(Operation::Delete, Method::DELETE, target, headers).await?;
        let response = self.accept(Operation::Delete, response).await?;
        Ok(Answer { body: (), state: state(Operation::Delete, response.headers())? })
    }

    async fn write_many(
        &self,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        let mut sent = Sent::streaming(None, mutations::encode(mutations));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mutations::MEDIA_TYPE));
        requests::trace(&mut headers);
        let request = sent.attach(self.http.post(Target::bulk_write(&self.base, namespace)).headers(headers));
        let request = self.authorize(Purpose::WriteOrManage, request)?;
        let response = sent.watch(request.send(), self.read_timeout.max(BULK_PATIENCE)).await?;
        let response = self.accept(Operation::Put, response).await?;
        let state = state(Operation::Put, response.headers())?;
        let outcome = answers::outcome(response, self.read_timeout).await?;
        Ok(Answer { body: outcome, state })
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        let headers = requests::read_headers(&options.read);
        let target = Target::list(namespace, options).cache_ttl(options.read.cache_ttl);
        let response = self.ask(Operation::List, Method::GET, target, headers).await?;
        let response = self.accept(Operation::List, response).await?;
        let state = state(Operation::List, response.headers())?;
        Ok(Answer { body: page(response, self.read_timeout).await?, state })
    }
}
