//! Answers of the server as the types of the contract.

use std::time::Duration;

use http::{HeaderMap, header};
use reqwest::Response;
use serde::Deserialize;

use super::{bodies::value_of, failures::Operation};
use crate::{
    BulkOutcome, Cursor, Entry, Error, Expiration, Key, Listed, Metadata, Page, State, Value, Version,
    http::{names, states::read_state},
};

/// The state of an answer.
pub(super) fn state(operation: Operation, headers: &HeaderMap) -> Result<State, Error> {
    read_state(headers).ok_or_else(|| operation.foreign())
}

pub(super) fn etag(headers: &HeaderMap) -> Option<Version> {
    headers.get(header::ETAG)?.to_str().ok().and_then(Version::from_etag)
}

/// The entry of an answer's headers, with its value.
pub(super) fn entry(headers: &HeaderMap, value: Value) -> Result<Entry, Error> {
    let foreign = || Operation::Get.foreign();
    let text =
        |name| headers.get(name).map(|value: &http::HeaderValue| std::str::from_utf8(value.as_bytes()));
    let metadata = text(&names::CF_KV_METADATA).transpose().map_err(|_| foreign())?;
    let expiration = text(&names::CF_EXPIRATION).transpose().map_err(|_| foreign())?;
    Ok(Entry {
        value,
        metadata: metadata.map(Metadata::parse).transpose().map_err(|_| foreign())?.flatten(),
        expiration: expiration.map(|at| at.parse().map(Expiration)).transpose().map_err(|_| foreign())?,
        version: etag(headers).ok_or_else(foreign)?,
    })
}

/// What a bulk write's answer says it has changed.
pub(super) async fn outcome(response: Response, read_timeout: Duration) -> Result<BulkOutcome, Error> {
    let foreign = || Operation::Put.foreign();
    let body = value_of(response, read_timeout).into_bytes().await.map_err(|e| foreign().with_source(e))?;
    serde_json::from_slice(&body).map_err(|error| foreign().with_source(error))
}

#[derive(Deserialize)]
struct PageBody {
    keys: Vec<KeyBody>,
    list_complete: bool,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct KeyBody {
    name: Key,
    expiration: Option<Expiration>,
    metadata: Option<String>,
}

/// The page of a list's answer.
pub(super) async fn page(response: Response, read_timeout: Duration) -> Result<Page, Error> {
    let foreign = || Operation::List.foreign();
    let body = value_of(response, read_timeout).into_bytes().await?;
    let PageBody { keys, list_complete, cursor } =
        serde_json::from_slice(&body).map_err(|error| foreign().with_source(error))?;
    let listed = |KeyBody { name, expiration, metadata }| {
        let metadata = metadata.map(|text| Metadata::parse(&text)).transpose().map_err(|_| foreign())?;
        Ok(Listed { name, expiration, metadata: metadata.flatten() })
    };
    let cursor = cursor.map(|text| text.parse::<Cursor>()).transpose().map_err(|_| foreign())?;
    if list_complete == cursor.is_some() {
        return Err(foreign());
    }
    Ok(Page { keys: keys.into_iter().map(listed).collect::<Result<_, Error>>()?, cursor })
}
