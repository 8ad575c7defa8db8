//! The elements of bulk puts and bulk deletes as mutations, each read from its text.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::array::Elements;
use crate::{
    DeleteOptions, Error, ExpirationRequest, Key, Metadata, Mutation, PutOptions, Reason, Value,
    limits::{MAX_BULK_BYTES, MAX_BULK_WRITES},
};

/// A pair of a bulk put (contract §3.1). What else it holds is of no concern.
#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
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

type Reader = fn(&[u8]) -> Result<Mutation, Error>;

/// Who reads an array.
struct Mutations {
    elements: Elements,
    count: u64,
    done: bool,
    what: &'static str,
    read: Reader,
}

fn mutations(
    body: BoxStream<'static, Result<Bytes, Error>>,
    what: &'static str,
    read: Reader,
) -> BoxStream<'static, Result<Mutation, Error>> {
    let elements = Elements::of(body, MAX_BULK_BYTES);
    let mutations = Mutations { elements, count: 0, done: false, what, read };
    stream::unfold(mutations, |mut mutations| async move {
        if mutations.done {
            return None;
        }
        let next = mutations.next().await.transpose()?;
        mutations.done = next.is_err();
        Some((next, mutations))
    })
    .boxed()
}

impl Mutations {
    async fn next(&mut self) -> Result<Option<Mutation>, Error> {
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
        (self.read)(&element).map(Some)
    }
}

fn put(element: &[u8]) -> Result<Mutation, Error> {
    let pair: Pair<'_> = serde_json::from_slice(element).map_err(|error| no_element("pair", &error))?;
    let Pair { key, value, base64, expiration, expiration_ttl, metadata } = pair;
    let value = match base64 {
        Some(true) => {
            let decoded = BASE64_STANDARD.decode(value.as_bytes()).map_err(|error| {
                let text = format!("the value of key {key:?} is no base64: {error}");
                Error::new(Reason::BodyInvalid, text).with_source(error)
            })?;
            Bytes::from(decoded)
        }
        _ => Bytes::from(value.into_owned()),
    };
    let options = PutOptions {
        expiration: expiration_ttl.map(ExpirationRequest::Ttl).or(expiration.map(ExpirationRequest::At)),
        metadata: metadata.map(|raw| Metadata::parse(raw.get())).transpose()?.flatten(),
        condition: None,
    };
    Ok(Mutation::Put { key: Key::new(&key)?, value: Value::Bytes(value), options })
}

fn delete(element: &[u8]) -> Result<Mutation, Error> {
    let key: Cow<'_, str> = serde_json::from_slice(element).map_err(|error| no_element("key", &error))?;
    Ok(Mutation::Delete { key: Key::new(&key)?, options: DeleteOptions::default() })
}

fn no_element(what: &str, error: &serde_json::Error) -> Error {
    Error::new(Reason::BodyInvalid, format!("an element is no {what}: {error}"))
}
