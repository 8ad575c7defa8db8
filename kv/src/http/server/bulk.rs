//! POST /bulk/get: many values as one JSON object, its members in the order of the request (contract §1.4).

use std::collections::HashSet;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::StreamExt;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    face::{Asked, Face, parse_cache_ttl},
    reply::Reply,
    upload::Upload,
};
use crate::{
    Entry, Error, Expiration, Key, Metadata, Namespace, Reason,
    limits::{MAX_BULK_GET_BYTES, MAX_BULK_GET_KEYS},
};

/// Longest request body. 100 keys of 512 bytes, every one a six-byte escape, are 300 KiB; more keys than
/// allowed shall still be counted and refused as such.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The request as it comes: the binding validates none of it.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "BulkGet", extend("required" = ["keys"]))]
pub(super) struct Given {
    #[serde(default)]
    #[schemars(extend("minItems" = 1, "maxItems" = MAX_BULK_GET_KEYS))]
    keys: Vec<String>,
    #[schemars(extend("enum" = ["text", "json", null]))]
    r#type: Option<serde_json::Value>,
    #[serde(rename = "withMetadata")]
    with_metadata: Option<bool>,
    /// A string from workerd, a number from everybody else.
    #[serde(rename = "cacheTtl")]
    cache_ttl: Option<serde_json::Value>,
}

/// A bulk get that was read.
pub(super) struct BulkGet {
    /// Each key once.
    pub(super) keys: Vec<Key>,
    pub(super) style: Style,
    /// The reader's bound on the age, as it was given.
    cache_ttl: Option<String>,
}

/// How the values are written.
#[derive(Clone, Copy)]
pub(super) struct Style {
    kind: Kind,
    with_metadata: bool,
    face: Flavour,
}

/// Whose contract the answer keeps: §1.4 or §3.1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// A text that is not UTF-8 is made one, as `get` with type text does.
    Binding,
    /// A text that is not UTF-8 is refused, and expirations stand beside the metadata.
    Rest,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Json,
}

/// An entry with its value in memory.
pub(super) struct Whole {
    value: Vec<u8>,
    metadata: Option<Metadata>,
    expiration: Option<Expiration>,
}

impl BulkGet {
    /// Reads the request's body.
    pub(super) async fn read(upload: Option<&Upload>, face: Flavour) -> Result<Self, Error> {
        let body = match upload {
            Some(upload) => upload.bytes(MAX_BODY_BYTES).await?,
            None => Some(Bytes::new()),
        };
        let body = body.ok_or_else(|| {
            Error::new(Reason::BodyInvalid, format!("A bulk get has at most {MAX_BODY_BYTES} bytes of JSON"))
        })?;
        let given: Given = serde_json::from_slice(&body).map_err(|error| {
            Error::new(Reason::BodyInvalid, format!("A bulk get is a JSON object with keys: {error}"))
        })?;
        let kind = kind(given.r#type.as_ref())?;
        let keys = keys(&given.keys)?;
        let style = Style { kind, with_metadata: given.with_metadata.unwrap_or_default(), face };
        Ok(Self { keys, style, cache_ttl: given.cache_ttl.as_ref().map(text) })
    }
}

impl Face {
    pub(super) async fn bulk_get(
        &self,
        namespace: &Namespace,
        asked: &Asked<'_>,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        let BulkGet { keys, style, cache_ttl } = BulkGet::read(upload, Flavour::Binding).await?;
        let mut options = asked.read_options()?;
        if let Some(ttl) = cache_ttl {
            options.cache_ttl = Some(parse_cache_ttl(&ttl)?);
        }
        let answer = self.kv.get_many(namespace, &keys, &options).await?;
        let values = read_values(answer.body).await?;
        let written = write(&keys, &values, style)?;
        let mut reply = Reply::new(&answer.state, self.cache.as_deref()).cf_cache_status(&answer.state);
        reply.content_type("application/json");
        Ok(reply.finish(StatusCode::OK, Body::from(written)))
    }
}

/// A JSON value as JavaScript would put it into a text.
fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn kind(given: Option<&serde_json::Value>) -> Result<Kind, Error> {
    match given.map(text).as_deref() {
        None | Some("text") => Ok(Kind::Text),
        Some("json") => Ok(Kind::Json),
        Some(other) => Err(Error::type_invalid(other)),
    }
}

/// Each key once: an object has no member twice.
fn keys(given: &[String]) -> Result<Vec<Key>, Error> {
    if given.is_empty() || given.len() > MAX_BULK_GET_KEYS {
        return Err(Error::key_count_invalid(given.len()));
    }
    let mut seen = HashSet::new();
    given.iter().filter(|name| seen.insert(name.as_str())).map(|name| Key::new(name)).collect()
}

/// Reads the values into memory, unless they announce to be too large together; what announces nothing is
/// counted while it is read.
pub(super) async fn read_values(entries: Vec<Option<Entry>>) -> Result<Vec<Option<Whole>>, Error> {
    let announced: u64 = entries.iter().flatten().filter_map(|entry| entry.value.length()).sum();
    if announced > MAX_BULK_GET_BYTES {
        return Err(Error::total_too_large());
    }
    let mut total = 0u64;
    let mut values = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(Entry { value, metadata, expiration, version: _ }) = entry else {
            values.push(None);
            continue;
        };
        let mut bytes = Vec::with_capacity(value.length().unwrap_or_default() as usize);
        let mut chunks = value.into_limited_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            total += chunk.len() as u64;
            if total > MAX_BULK_GET_BYTES {
                return Err(Error::total_too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        values.push(Some(Whole { value: bytes, metadata, expiration }));
    }
    Ok(values)
}

/// The values as one JSON object.
pub(super) fn write(keys: &[Key], values: &[Option<Whole>], style: Style) -> Result<Vec<u8>, Error> {
    let Style { kind, with_metadata, face } = style;
    let mut body = vec![b'{'];
    for (key, value) in keys.iter().zip(values) {
        if body.len() > 1 {
            body.push(b',');
        }
        write_string(&mut body, key.as_str())?;
        body.push(b':');
        let Some(Whole { value, metadata, expiration }) = value else {
            body.extend_from_slice(b"null");
            continue;
        };
        if with_metadata {
            body.extend_from_slice(b"{\"value\":");
        }
        match (kind, face) {
            (Kind::Text, Flavour::Binding) => write_string(&mut body, &String::from_utf8_lossy(value))?,
            (Kind::Text, Flavour::Rest) => {
                let text = std::str::from_utf8(value).map_err(|_| Error::value_not_text())?;
                write_string(&mut body, text)?;
            }
            (Kind::Json, _) => {
                let value: &RawValue = serde_json::from_slice(value).map_err(|_| Error::value_not_json())?;
                body.extend_from_slice(value.get().as_bytes());
            }
        }
        if with_metadata {
            body.extend_from_slice(b",\"metadata\":");
            body.extend_from_slice(metadata.as_ref().map_or("null", Metadata::as_str).as_bytes());
            if let Some(expiration) = expiration.filter(|_| face == Flavour::Rest) {
                body.extend_from_slice(format!(",\"expiration\":{expiration}").as_bytes());
            }
            body.push(b'}');
        }
    }
    body.push(b'}');
    Ok(body)
}

fn write_string(body: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    serde_json::to_writer(body, text).map_err(|error| {
        Error::new(Reason::Internal, "Failed to write the values as JSON").with_source(error)
    })
}
