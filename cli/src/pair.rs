//! A key with its value as files hold it: an element of wrangler's bulk format, which is also a line of an export.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use nearkv::{Expiration, ExpirationRequest, Key, Metadata, Mutation, PutOptions, Value};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A key, its value, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Wire")]
pub struct Pair {
    /// The key.
    pub key: Key,
    /// The value's bytes.
    pub value: Bytes,
    /// When the entry shall end.
    pub expiration: Option<ExpirationRequest>,
    /// The JSON value beside it.
    pub metadata: Option<Metadata>,
}

/// `{"key", "value", "base64"?, "expiration"?, "expiration_ttl"?, "metadata"?}`. As for wrangler and the REST API, other
/// members mean nothing, and of two ends the time to live wins.
#[derive(Deserialize, Serialize)]
struct Wire {
    key: String,
    value: String,
    #[serde(default, skip_serializing_if = "is_false")]
    base64: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration_ttl: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl TryFrom<Wire> for Pair {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        let Wire { key, value, base64, expiration, expiration_ttl, metadata } = wire;
        let at = |what: &str, error: String| format!("{what} of key {key:?}: {error}");
        let value = if base64 {
            let bytes = BASE64_STANDARD.decode(&value);
            bytes.map_err(|error| at("base64 value", error.to_string()))?.into()
        } else {
            Bytes::from(value)
        };
        let metadata = metadata.map(|raw| Metadata::parse(raw.get())).transpose();
        Ok(Self {
            value,
            expiration: ExpirationRequest::of(expiration, expiration_ttl),
            metadata: metadata.map_err(|error| at("metadata", error.to_string()))?.flatten(),
            key: Key::new(&key).map_err(|error| format!("key {key:?}: {error}"))?,
        })
    }
}

impl Pair {
    /// An entry as it was read.
    #[must_use]
    pub fn of(key: Key, value: Bytes, expiration: Option<Expiration>, metadata: Option<Metadata>) -> Self {
        let at = expiration.map(|at| ExpirationRequest::At(i64::try_from(at.0).unwrap_or(i64::MAX)));
        Self { key, value, expiration: at, metadata }
    }

    /// The write of it.
    #[must_use]
    pub fn into_mutation(self) -> Mutation {
        let Self { key, value, expiration, metadata } = self;
        let options = PutOptions { expiration, metadata, condition: None };
        Mutation::Put { key, value: Value::Bytes(value), options }
    }

    /// The line of an export, with its line feed. Base64 only where the bytes are no UTF-8.
    ///
    /// # Errors
    /// Metadata that are no JSON, which [`Metadata`] cannot hold.
    pub fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let text = std::str::from_utf8(&self.value);
        let metadata = self.metadata.as_ref().map(|text| RawValue::from_string(text.as_str().to_owned()));
        let (expiration, expiration_ttl) = match self.expiration {
            Some(ExpirationRequest::At(at)) => (Some(at), None),
            Some(ExpirationRequest::Ttl(ttl)) => (None, Some(ttl)),
            None => (None, None),
        };
        let mut line = serde_json::to_vec(&Wire {
            key: self.key.as_str().to_owned(),
            base64: text.is_err(),
            value: text.map_or_else(|_| BASE64_STANDARD.encode(&self.value), str::to_owned),
            expiration,
            expiration_ttl,
            metadata: metadata.transpose()?,
        })?;
        line.push(b'\n');
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Pair, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_element_of_wranglers_bulk_file_is_taken() {
        let pair =
            read(r#"{"key":"k","value":"AAH/","base64":true,"expiration":7,"metadata":{"a": 1},"other":0}"#)
                .unwrap();
        assert_eq!(pair.value.as_ref(), [0, 1, 255]);
        assert_eq!(pair.expiration, Some(ExpirationRequest::At(7)));
        assert_eq!(pair.metadata.unwrap().as_str(), r#"{"a": 1}"#);
        let ttl =
            read(r#"{"key":"k","value":"","expiration":7,"expiration_ttl":60,"metadata":null}"#).unwrap();
        assert_eq!((ttl.expiration, ttl.metadata), (Some(ExpirationRequest::Ttl(60)), None));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_key() {
        for (text, told) in [
            (r#"{"key":"k","value":"%","base64":true}"#, "base64 value of key \"k\": "),
            (r#"{"key":"..","value":""}"#, "key \"..\": Illegal key name"),
            (r#"{"key":"k"}"#, "missing field `value`"),
            (r#"{"key":"k","value":1}"#, "expected a string"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let long = format!(r#"{{"key":"k","value":"","metadata":"{}"}}"#, "m".repeat(1023));
        assert!(read(&long).unwrap_err().contains("Metadata length of 1025"));
    }

    #[test]
    fn a_line_of_an_export_reads_back_byte_for_byte() {
        for value in [&b"text\n\"\0\x1b"[..], b"\xff\x00\n", "é🤓".as_bytes(), b""] {
            let key = Key::new("a b/\n\0\u{7f}\"\\é").unwrap();
            let metadata = Metadata::parse(r#"{"n": 1.50, "s":"é"}"#).unwrap();
            let pair = Pair::of(key, Bytes::from(value), Some(Expiration(2_114_380_800)), metadata);
            let line = pair.line().unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(serde_json::from_slice::<Pair>(&line).unwrap(), pair);
        }
    }
}
