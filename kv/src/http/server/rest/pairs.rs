//! The elements of bulk puts and bulk deletes as mutations.

use std::borrow::Cow;

use bytes::Bytes;
use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    array::{Element, Elements},
    spool::Spooled,
};
use crate::{
    DeleteOptions, Error, ExpirationRequest, Key, Metadata, Mutation, PutOptions, Reason,
    http::source::Source,
    limits::{MAX_BULK_BYTES, MAX_BULK_WRITES, MAX_KEY_BYTES},
};

/// A pair of a bulk put (contract §3.1). What else it holds is of no concern.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Pair<'a> {
    #[serde(borrow)]
    #[schemars(extend("minLength" = 1, "maxLength" = MAX_KEY_BYTES))]
    key: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(default)]
    base64: Option<bool>,
    #[serde(default)]
    expiration: Option<i64>,
    #[serde(default)]
    expiration_ttl: Option<i64>,
    #[serde(borrow, default)]
    #[schemars(with = "Option<serde_json::Value>")]
    metadata: Option<&'a RawValue>,
}

/// The pairs of a bulk put.
pub(super) fn puts(
    body: BoxStream<'static, Result<Bytes, Error>>,
) -> BoxStream<'static, Result<Mutation, Error>> {
    mutations(body, "key/value pairs", put)
}

/// The keys of a bulk delete.
pub(super) fn deletes(
    body: BoxStream<'static, Result<Bytes, Error>>,
) -> BoxStream<'static, Result<Mutation, Error>> {
    mutations(body, "keys", delete)
}

type Reader = fn(Element) -> Result<Mutation, Error>;

/// Who reads an array.
struct Mutations {
    elements: Elements,
    count: u64,
    what: &'static str,
    read: Reader,
}

fn mutations(
    body: BoxStream<'static, Result<Bytes, Error>>,
    what: &'static str,
    read: Reader,
) -> BoxStream<'static, Result<Mutation, Error>> {
    Mutations { elements: Elements::of(body, MAX_BULK_BYTES), count: 0, what, read }.into_stream()
}

impl Source for Mutations {
    type Item = Mutation;

    async fn pull(&mut self) -> Result<Option<Mutation>, Error> {
        let Some(element) = self.elements.next().await? else { return Ok(None) };
        self.count += 1;
        if self.count > MAX_BULK_WRITES {
            // How many there are is part of the refusal.
            while self.elements.next().await?.is_some() {
                self.count += 1;
            }
            let Self { count, what, .. } = self;
            let text = format!("received {count} {what}, but max allowed per request is: {MAX_BULK_WRITES}");
            return Err(Error::new(Reason::BodyInvalid, text));
        }
        (self.read)(element).map(Some)
    }
}

fn put(element: Element) -> Result<Mutation, Error> {
    let Element { text, value: long } = element;
    let pair: Pair<'_> = serde_json::from_slice(&text).map_err(|error| no_element("pair", &error))?;
    let Pair { key, value, base64, expiration, expiration_ttl, metadata } = pair;
    let key = Key::new(&key)?;
    let value = long.unwrap_or_else(|| Spooled::Held(Bytes::from(value.into_owned())));
    let value = value.into_value(&key, base64.unwrap_or_default())?;
    let options = PutOptions {
        expiration: ExpirationRequest::of(expiration, expiration_ttl),
        metadata: metadata.map(|raw| Metadata::parse(raw.get())).transpose()?.flatten(),
        condition: None,
    };
    Ok(Mutation::Put { key, value, options })
}

fn delete(element: Element) -> Result<Mutation, Error> {
    let key: Cow<'_, str> =
        serde_json::from_slice(&element.text).map_err(|error| no_element("key", &error))?;
    Ok(Mutation::Delete { key: Key::new(&key)?, options: DeleteOptions::default() })
}

fn no_element(what: &str, error: &serde_json::Error) -> Error {
    Error::new(Reason::BodyInvalid, format!("an element is no {what}: {error}"))
}
