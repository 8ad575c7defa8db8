//! PUT and DELETE of one key, and the bulk write.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{StatusCode, header};

use super::{
    face::{Asked, Face},
    reply::Reply,
    upload::Upload,
};
use crate::{
    DeleteOptions, Error, Key, Metadata, Namespace, PutOptions, Reason, Value,
    http::{mutations, names, tags::write_condition},
    limits::{MAX_METADATA_BYTES, MAX_VALUE_BYTES},
};

impl Face {
    pub(super) async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        asked: &Asked<'_>,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        let options = PutOptions {
            expiration: asked.expiration()?,
            metadata: metadata(asked)?,
            condition: write_condition(asked.headers)?,
        };
        let value = value_of(upload)?;
        let answer = self.kv.put(namespace, key, value, &options).await?;
        let mut reply = Reply::new(&answer.state, self.cache.as_deref());
        reply.etag(answer.body);
        Ok(reply.finish(StatusCode::OK, Body::empty()))
    }

    pub(super) async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        asked: &Asked<'_>,
    ) -> Result<Response, Error> {
        let options = DeleteOptions { condition: write_condition(asked.headers)? };
        let answer = self.kv.delete(namespace, key, &options).await?;
        Ok(Reply::new(&answer.state, self.cache.as_deref()).finish(StatusCode::OK, Body::empty()))
    }
}

impl Face {
    pub(super) async fn bulk_write(
        &self,
        namespace: &Namespace,
        asked: &Asked<'_>,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        let given = asked.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let given = given.and_then(|given| given.split(';').next()).unwrap_or_default().trim();
        if !given.eq_ignore_ascii_case(mutations::MEDIA_TYPE) {
            let text = format!("A bulk write is {}, not {given:?}", mutations::MEDIA_TYPE);
            return Err(Error::new(Reason::MediaTypeInvalid, text));
        }
        let body = upload.map_or_else(|| stream::empty().boxed(), Upload::chunks);
        let answer = self.kv.write_many(namespace, mutations::decode(body)).await?;
        let mut reply = Reply::new(&answer.state, self.cache.as_deref());
        reply.content_type("application/json");
        let body = serde_json::to_vec(&answer.body).map_err(|error| {
            Error::new(Reason::Internal, "Failed to write the outcome as JSON").with_source(error)
        })?;
        Ok(reply.finish(StatusCode::OK, Body::from(body)))
    }
}

/// The whole body as a value; refused at once where it announces to be too long.
pub(super) fn value_of(upload: Option<&Upload>) -> Result<Value, Error> {
    let value = upload.map_or_else(|| Value::from(Bytes::new()), Upload::value);
    match value.length().filter(|length| *length > MAX_VALUE_BYTES) {
        Some(announced) => Err(Error::value_too_long(announced)),
        None => Ok(value),
    }
}

/// The metadata of the header's raw bytes, which are UTF-8 and not ASCII (contract §1.6).
fn metadata(asked: &Asked<'_>) -> Result<Option<Metadata>, Error> {
    let mut given = asked.headers.get_all(&names::CF_KV_METADATA).iter();
    let Some(bytes) = given.next().map(http::HeaderValue::as_bytes) else {
        return Ok(None);
    };
    if given.next().is_some() {
        return Err(Error::new(Reason::MetadataInvalid, "CF-KV-Metadata must not be repeated"));
    }
    if bytes.len() > MAX_METADATA_BYTES {
        return Err(Error::metadata_too_long(bytes.len()));
    }
    Metadata::parse(std::str::from_utf8(bytes).map_err(|_| Error::metadata_invalid())?)
}
