//! Values and metadata of single keys.

use axum::{body::Body, response::Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::value::RawValue;

use super::{
    envelope::success,
    face::{FROM_ORIGIN, RestFace},
    multipart,
};
use crate::{
    Answer, DeleteOptions, Entry, Error, GetOptions, Key, Lookup, Metadata, Namespace, PutOptions, Reason,
    Value,
    http::{
        server::{face::Asked, reply::Reply, upload::Upload, write::value_of},
        tags::write_condition,
    },
};

/// When the entry ends, in seconds since the epoch (contract §3.1).
static EXPIRATION: HeaderName = HeaderName::from_static("expiration");

impl RestFace {
    pub(super) async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        with_body: bool,
    ) -> Result<Response, Error> {
        let Answer { body: entry, state } = self.entry(namespace, key).await?;
        let Entry { value, metadata, expiration, version } = entry;
        let mut reply = Reply::new(&state, None);
        reply.etag(version);
        if let Some(metadata) = metadata {
            reply.metadata(&metadata);
        }
        if let Some(expiration) = expiration {
            reply.number(EXPIRATION.clone(), expiration.0);
        }
        if let Some(length) = value.length() {
            reply.number(header::CONTENT_LENGTH, length);
        }
        reply.content_type("application/octet-stream");
        reply.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let body = match value {
            _ if !with_body => Body::empty(),
            Value::Bytes(bytes) => Body::from(bytes),
            stream @ Value::Stream { .. } => Body::from_stream(stream.into_limited_stream()),
        };
        Ok(reply.finish(StatusCode::OK, body))
    }

    pub(super) async fn get_metadata(&self, namespace: &Namespace, key: &Key) -> Result<Response, Error> {
        let Answer { body: entry, state } = self.entry(namespace, key).await?;
        let text = entry.metadata.as_ref().map_or("null", Metadata::as_str);
        let metadata: &RawValue = serde_json::from_str(text).map_err(|error| {
            Error::new(Reason::Internal, "Failed to write metadata as JSON").with_source(error)
        })?;
        success(metadata, Some(&state))
    }

    pub(super) async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        asked: &Asked<'_>,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        let expiration = asked.expiration()?;
        let condition = write_condition(asked.headers)?;
        let (value, metadata) = match multipart::boundary(asked.headers)? {
            Some(boundary) => multipart::read(upload, boundary).await?,
            None => (value_of(upload)?, None),
        };
        let options = PutOptions { expiration, metadata, condition };
        let answer = self.kv.put(namespace, key, value, &options).await?;
        success((), Some(&answer.state))
    }

    pub(super) async fn remove_key(
        &self,
        namespace: &Namespace,
        key: &Key,
        asked: &Asked<'_>,
    ) -> Result<Response, Error> {
        let options = DeleteOptions { condition: write_condition(asked.headers)? };
        let answer = self.kv.delete(namespace, key, &options).await?;
        success((), Some(&answer.state))
    }

    async fn entry(&self, namespace: &Namespace, key: &Key) -> Result<Answer<Entry>, Error> {
        let options = GetOptions { read: FROM_ORIGIN, if_none_match: None };
        let Answer { body, state } = self.kv.get(namespace, key, &options).await?;
        match body {
            Lookup::Found(entry) => Ok(Answer { body: entry, state }),
            Lookup::Absent | Lookup::Unchanged { .. } => {
                Err(Error::new(Reason::KeyMissing, "key not found").with_version(state.version))
            }
        }
    }
}
