//! The keys of a namespace, page by page.

use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    envelope::{Cursored, success_with},
    face::{FROM_ORIGIN, RestFace},
};
use crate::{
    Cursor, Error, Expiration, Key, ListOptions, Namespace, Prefix, Reason,
    http::{
        paths::{decode, raw_parameter},
        server::face::Asked,
    },
    limits::{MAX_LIST_KEYS, MIN_REST_LIST_KEYS},
};

/// A key on the wire. The metadata are the JSON value itself, not a string as on the binding face.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ListedKey")]
pub(super) struct Shown<'a> {
    #[schemars(with = "String")]
    name: &'a Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    expiration: Option<Expiration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Value>")]
    metadata: Option<&'a RawValue>,
}

impl RestFace {
    pub(super) async fn list_keys(
        &self,
        namespace: &Namespace,
        asked: &Asked<'_>,
    ) -> Result<Response, Error> {
        let prefix = decode(raw_parameter(asked.query, "prefix").unwrap_or_default(), true)?;
        let cursor = asked.parameter("cursor").filter(|text| !text.is_empty());
        let limit = asked.parameter("limit").map(|given| limit(&given)).transpose()?;
        let options = ListOptions {
            prefix: Prefix::new(prefix)?,
            limit,
            cursor: cursor.map(|text| text.parse::<Cursor>()).transpose()?,
            read: FROM_ORIGIN,
        };
        let answer = self.kv.list(namespace, &options).await?;
        let mut shown = Vec::with_capacity(answer.body.keys.len());
        for listed in &answer.body.keys {
            let metadata = listed.metadata.as_ref().map(|metadata| serde_json::from_str(metadata.as_str()));
            let metadata = metadata.transpose().map_err(|error| {
                Error::new(Reason::Internal, "Failed to write metadata as JSON").with_source(error)
            })?;
            shown.push(Shown { name: &listed.name, expiration: listed.expiration, metadata });
        }
        let cursor = answer.body.cursor.as_ref().map(ToString::to_string).unwrap_or_default();
        let info = Cursored { count: shown.len(), cursor };
        success_with(shown, Some(info), Some(&answer.state))
    }
}

fn limit(given: &str) -> Result<usize, Error> {
    let range = MIN_REST_LIST_KEYS..=MAX_LIST_KEYS;
    given.parse().ok().filter(|limit| range.contains(limit)).ok_or_else(|| {
        let text = format!(
            "Invalid limit of {given}. Please specify an integer from {MIN_REST_LIST_KEYS} to {MAX_LIST_KEYS}."
        );
        Error::new(Reason::LimitInvalid, text)
    })
}
