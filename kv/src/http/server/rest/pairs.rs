//! The elements of bulk puts and bulk deletes as mutations, each read from its text.

use std::borrow::Cow;

use base64::{DecodeError, Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::array::Elements;
use crate::{
    DeleteOptions, Error, ExpirationRequest, Key, Metadata, Mutation, PutOptions, Reason, Value,
    limits::{MAX_BULK_BYTES, MAX_BULK_WRITES},
};

/// From this length on a value is not copied out of its element, but read from it as it is written. A shorter one is:
/// it may stay in memory for long, and must not keep the rest of the body there with it.
const LARGE_VALUE_BYTES: usize = 64 * 1024;
/// How much base64 is decoded at a time: a multiple of the four digits that stand for three bytes.
const BASE64_PIECE_BYTES: usize = 64 * 1024;

/// A pair of a bulk put (contract §3.1). What else it holds is of no concern.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Pair<'a> {
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

type Reader = fn(&Bytes) -> Result<Mutation, Error>;

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

fn put(element: &Bytes) -> Result<Mutation, Error> {
    let pair: Pair<'_> = serde_json::from_slice(element).map_err(|error| no_element("pair", &error))?;
    let Pair { key, value, base64, expiration, expiration_ttl, metadata } = pair;
    let key = Key::new(&key)?;
    let text = match value {
        Cow::Borrowed(text) if text.len() >= LARGE_VALUE_BYTES => element.slice_ref(text.as_bytes()),
        value => Bytes::from(value.into_owned()),
    };
    let value = match base64 {
        Some(true) if text.len() >= LARGE_VALUE_BYTES => decoded(&key, text),
        Some(true) => {
            let bytes = BASE64_STANDARD.decode(&text).map_err(|error| no_base64(&key, error))?;
            Value::Bytes(bytes.into())
        }
        _ => Value::Bytes(text),
    };
    let options = PutOptions {
        expiration: expiration_ttl.map(ExpirationRequest::Ttl).or(expiration.map(ExpirationRequest::At)),
        metadata: metadata.map(|raw| Metadata::parse(raw.get())).transpose()?.flatten(),
        condition: None,
    };
    Ok(Mutation::Put { key, value, options })
}

/// A long value in base64, decoded piece by piece.
fn decoded(key: &Key, text: Bytes) -> Value {
    let padding = text.iter().rev().take_while(|digit| **digit == b'=').count();
    let length = (text.len() / 4 * 3).saturating_sub(padding) as u64;
    let state = (key.clone(), text);
    let pieces = stream::unfold(state, |(key, mut text)| async move {
        if text.is_empty() {
            return None;
        }
        let piece = text.split_to(text.len().min(BASE64_PIECE_BYTES));
        // Padding is the end of the whole, not of a piece.
        let early = piece.iter().position(|digit| *digit == b'=').filter(|_| !text.is_empty());
        let bytes = match early {
            Some(at) => Err(DecodeError::InvalidByte(at, b'=')),
            None => BASE64_STANDARD.decode(&piece),
        };
        let bytes = bytes.map(Bytes::from).map_err(|error| no_base64(&key, error));
        Some((bytes, (key, text)))
    });
    Value::Stream { length: Some(length), chunks: pieces.boxed() }
}

fn no_base64(key: &Key, error: DecodeError) -> Error {
    let text = format!("the value of key {:?} is no base64: {error}", key.as_str());
    Error::new(Reason::BodyInvalid, text).with_source(error)
}

fn delete(element: &Bytes) -> Result<Mutation, Error> {
    let key: Cow<'_, str> = serde_json::from_slice(element).map_err(|error| no_element("key", &error))?;
    Ok(Mutation::Delete { key: Key::new(&key)?, options: DeleteOptions::default() })
}

fn no_element(what: &str, error: &serde_json::Error) -> Error {
    Error::new(Reason::BodyInvalid, format!("an element is no {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn value(text: &str, base64: bool) -> Result<Bytes, Error> {
        let element =
            Bytes::from(serde_json::json!({"key": "k", "value": text, "base64": base64}).to_string());
        let Mutation::Put { value, .. } = put(&element)? else { panic!("no put") };
        value.into_bytes().await
    }

    #[tokio::test]
    async fn a_long_value_is_decoded_as_a_short_one_is() {
        for length in [0, 1, 2, 3, 49_151, 49_152, 49_153, 200_000, 200_001, 200_002] {
            let bytes: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
            let text = BASE64_STANDARD.encode(&bytes);
            assert_eq!(value(&text, true).await.unwrap(), bytes, "{length}");
            assert_eq!(value(&text, false).await.unwrap(), text, "{length}");
            let long = text.len() >= LARGE_VALUE_BYTES;
            for broken in [format!("?{text}"), format!("{text}A"), format!("AA=={text}A===")] {
                assert_eq!(value(&broken, true).await.unwrap_err().reason(), Reason::BodyInvalid, "{long}");
            }
        }
    }
}
