//! GET and HEAD of one key: the value, a part of it, or that the reader has it already.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};

use super::{
    face::{Asked, Face},
    range::{Slice, slice},
    reply::Reply,
};
use crate::{Answer, Entry, Error, GetOptions, Key, Lookup, Namespace, Value, Version, http::tags::Tags};

impl Face {
    /// `with_body` is false for HEAD, which is answered like the GET, without the value and the range (RFC 9110
    /// §14.2 defines `Range` for GET only).
    pub(super) async fn read(
        &self,
        namespace: &Namespace,
        key: &Key,
        asked: &Asked<'_>,
        with_body: bool,
    ) -> Result<Response, Error> {
        let wanted = Tags::read(asked.headers, &header::IF_MATCH)?;
        let held = Tags::read(asked.headers, &header::IF_NONE_MATCH)?;
        let if_none_match = match &held {
            // The usual case. Further tags of a list are compared below.
            Some(Tags::These(tags)) if wanted.is_none() => tags.iter().find_map(|tag| tag.version),
            _ => None,
        };
        let options = GetOptions { read: asked.read_options()?, if_none_match };
        let Answer { body: lookup, state } = self.kv.get(namespace, key, &options).await?;

        let present = match &lookup {
            Lookup::Found(entry) => Some(entry.version),
            Lookup::Unchanged { version, .. } => Some(*version),
            Lookup::Absent => None,
        };
        if wanted.is_some_and(|tags| !present.is_some_and(|version| tags.match_strongly(version))) {
            return Err(Error::precondition_failed(key, state.version));
        }
        let mut reply = Reply::new(&state, self.cache.as_deref()).cf_cache_status(&state);
        let entry = match lookup {
            Lookup::Absent => return Ok(absent(reply)),
            Lookup::Unchanged { version, expiration } => {
                reply.etag(version);
                if let Some(expiration) = expiration {
                    reply.expiration(expiration, &state);
                }
                return Ok(reply.finish(StatusCode::NOT_MODIFIED, Body::empty()));
            }
            Lookup::Found(entry) => entry,
        };
        let Entry { value, metadata, expiration, version } = entry;
        reply.etag(version);
        if let Some(expiration) = expiration {
            reply.expiration(expiration, &state);
        }
        if held.is_some_and(|tags| tags.match_weakly(version)) {
            return Ok(reply.finish(StatusCode::NOT_MODIFIED, Body::empty()));
        }
        if let Some(metadata) = metadata {
            reply.metadata(&metadata);
        }
        reply.content_type("application/octet-stream");
        reply.headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let range = if with_body { wanted_range(asked, version) } else { None };
        Ok(send(reply, value, range, with_body))
    }
}

fn absent(mut reply: Reply) -> Response {
    const TEXT: &str = "Not Found";
    reply.content_type("text/plain; charset=utf-8");
    reply.finish(StatusCode::NOT_FOUND, Body::from(TEXT))
}

/// The `Range` of the request, unless its `If-Range` names another version (RFC 9110 §13.1.5, strongly compared).
fn wanted_range<'a>(asked: &'a Asked<'_>, version: Version) -> Option<&'a str> {
    let range = asked.headers.get(header::RANGE)?.to_str().ok()?;
    let condition = asked.headers.get(header::IF_RANGE);
    let holds = condition.is_none_or(|tag| tag.to_str().ok().and_then(Version::from_etag) == Some(version));
    holds.then_some(range)
}

fn send(mut reply: Reply, value: Value, range: Option<&str>, with_body: bool) -> Response {
    let length = value.length();
    let slice_of = |range| length.map_or(Slice::Whole, |length| Slice::of(range, length));
    let (status, value) = match (range.map_or(Slice::Whole, slice_of), length) {
        (Slice::Part { first, last }, Some(length)) => {
            reply.content_range(Some((first, last)), length);
            (StatusCode::PARTIAL_CONTENT, slice(value, first, last))
        }
        (Slice::Unsatisfiable, Some(length)) => {
            reply.content_range(None, length);
            reply.content_type("text/plain; charset=utf-8");
            let text = Body::from("Range Not Satisfiable");
            return reply.finish(StatusCode::RANGE_NOT_SATISFIABLE, text);
        }
        _ => (StatusCode::OK, value),
    };
    if let Some(length) = value.length() {
        reply.number(header::CONTENT_LENGTH, length);
    }
    let body = match value {
        _ if !with_body => Body::empty(),
        Value::Bytes(bytes) => Body::from(bytes),
        // An error in the stream aborts the connection: the answer never ends as if it were whole.
        stream @ Value::Stream { .. } => Body::from_stream(stream.into_limited_stream()),
    };
    reply.finish(status, body)
}
