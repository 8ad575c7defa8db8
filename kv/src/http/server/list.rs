//! GET of the base: one page of keys as JSON (contract §1.5).

use axum::{body::Body, response::Response};
use http::StatusCode;
use serde::Serialize;

use super::{
    face::{Asked, Face},
    reply::Reply,
};
use crate::{
    Cursor, Error, Expiration, Key, ListOptions, Namespace, Page, Prefix,
    http::paths::{decode, raw_parameter},
    limits::MAX_LIST_KEYS,
};

/// A page on the wire.
#[derive(Serialize)]
struct PageBody<'a> {
    keys: Vec<KeyBody<'a>>,
    list_complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// A key on the wire. The metadata are their JSON *text*, in a string: workerd parses a string and passes
/// anything else through, so only this way a string comes out as one.
#[derive(Serialize)]
struct KeyBody<'a> {
    name: &'a Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<Expiration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
}

impl Face {
    pub(super) async fn list(&self, namespace: &Namespace, asked: &Asked<'_>) -> Result<Response, Error> {
        let answer = self.kv.list(namespace, &options(asked)?).await?;
        let mut reply = Reply::new(&answer.state, self.cache.as_deref());
        reply.content_type("application/json");
        Ok(reply.finish(StatusCode::OK, Body::from(body(&answer.body)?)))
    }
}

/// An empty `prefix` or `cursor` is as good as none: workerd sends them so.
fn options(asked: &Asked<'_>) -> Result<ListOptions, Error> {
    let prefix = decode(raw_parameter(asked.query, "prefix").unwrap_or_default(), true)?;
    let limit = asked.parameter("key_count_limit").map(|given| parse_limit(&given)).transpose()?;
    let cursor = asked.parameter("cursor").filter(|text| !text.is_empty());
    Ok(ListOptions {
        prefix: Prefix::new(prefix)?,
        limit,
        cursor: cursor.map(|text| text.parse::<Cursor>()).transpose()?,
        read: asked.read_options()?,
    })
}

fn parse_limit(given: &str) -> Result<usize, Error> {
    let limit = given.parse().ok().filter(|limit| (1..=MAX_LIST_KEYS).contains(limit));
    limit.ok_or_else(|| Error::limit_invalid(given))
}

fn body(page: &Page) -> Result<Vec<u8>, Error> {
    let keys = page.keys.iter().map(|listed| KeyBody {
        name: &listed.name,
        expiration: listed.expiration,
        metadata: listed.metadata.as_ref().map(crate::Metadata::as_str),
    });
    let cursor = page.cursor.as_ref().map(ToString::to_string);
    let body = PageBody { keys: keys.collect(), list_complete: cursor.is_none(), cursor };
    serde_json::to_vec(&body).map_err(|error| {
        Error::new(crate::Reason::Internal, "Failed to write the list as JSON").with_source(error)
    })
}
