//! Records: one write each, one JSON line each, readable with kubectl. The same line with a `version` is an
//! entry of a page.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use nearkv::{Expiration, Key, Metadata};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::format::{
    FormatError, Sha,
    json::{is_unprintable, to_line},
};

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The key has this entry from now on.
    Put(Put),
    /// The key has no entry from now on.
    Delete(Key),
}

impl Record {
    /// The key it is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(put) => &put.key,
            Self::Delete(key) => key,
        }
    }
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The key.
    pub key: Key,
    /// Its value, or where that is.
    pub value: StoredValue,
    /// The JSON value beside it.
    pub metadata: Option<Metadata>,
    /// When the entry ends.
    pub expiration: Option<Expiration>,
    /// Whether it is declared by the KvNamespace object.
    pub declared: bool,
}

/// A value in its record, or in chunks of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredValue {
    /// At most [`crate::format::INLINE_VALUE_BYTES`].
    Inline(Bytes),
    /// Longer than that.
    Chunked(Chunks),
}

impl StoredValue {
    /// Length of the value in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Chunked(chunks) => chunks.size,
        }
    }
}

/// Where a long value is: the objects `<name>.kv.value.<nonce>.<0..count>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunks {
    /// The nonce in their names.
    pub nonce: String,
    /// How many there are; every one but the last has [`crate::format::CHUNK_BYTES`].
    pub count: u32,
    /// Length of the value in bytes.
    pub size: u64,
    /// SHA-256 of the value.
    pub sha256: Sha,
}

/// A record with the version it has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// Position in the sequence of records.
    pub version: u64,
    /// The write.
    pub record: Record,
}

/// The JSON of a line, in the order in which people read it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    put: Option<Key>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delete: Option<Key>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chunks: Option<Chunks>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<Expiration>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    declared: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

impl Record {
    /// The record as a JSON line without its line break; with `version`, as an entry of a page.
    #[must_use]
    pub fn to_line(&self, version: Option<u64>) -> String {
        let mut line = Line {
            put: None,
            delete: None,
            value: None,
            base64: None,
            chunks: None,
            metadata: None,
            expiration: None,
            declared: false,
            version,
        };
        match self {
            Self::Delete(key) => line.delete = Some(key.clone()),
            Self::Put(Put { key, value, metadata, expiration, declared }) => {
                line.put = Some(key.clone());
                match value {
                    StoredValue::Inline(bytes) => match readable(bytes) {
                        Some(text) => line.value = Some(text),
                        None => line.base64 = Some(STANDARD.encode(bytes)),
                    },
                    StoredValue::Chunked(chunks) => line.chunks = Some(chunks.clone()),
                }
                // Metadata hold a JSON text by construction, so this is never an error that could be hidden.
                line.metadata =
                    metadata.as_ref().and_then(|json| RawValue::from_string(json.as_str().to_owned()).ok());
                line.expiration = *expiration;
                line.declared = *declared;
            }
        }
        to_line(&line)
    }

    fn from_line(text: &str) -> Result<(Self, Option<u64>), String> {
        let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let record = match (line.put, line.delete) {
            (None, Some(key)) => Self::Delete(key),
            (Some(key), None) => {
                let value = match (line.value, line.base64, line.chunks) {
                    (Some(text), None, None) => StoredValue::Inline(text.into()),
                    (None, Some(text), None) => {
                        StoredValue::Inline(STANDARD.decode(text).map_err(|error| error.to_string())?.into())
                    }
                    (None, None, Some(chunks)) => StoredValue::Chunked(chunks),
                    _ => return Err("a put has one of value, base64 and chunks".to_owned()),
                };
                let metadata = match line.metadata {
                    Some(json) => Metadata::parse(json.get()).map_err(|error| error.to_string())?,
                    None => None,
                };
                Self::Put(Put { key, value, metadata, expiration: line.expiration, declared: line.declared })
            }
            _ => return Err("a record has one of put and delete".to_owned()),
        };
        Ok((record, line.version))
    }
}

/// The bytes as text, if they are UTF-8 and their JSON is not longer than base64 would be.
fn readable(bytes: &Bytes) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' || is_unprintable(c) => 6,
        c => c.len_utf8(),
    });
    (escaped.sum::<usize>() <= bytes.len().div_ceil(3) * 4).then(|| text.to_owned())
}

/// Records as the lines of a segment or of the root.
#[must_use]
pub fn encode_lines<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let mut lines = String::new();
    for record in records {
        lines.push_str(&record.to_line(None));
        lines.push('\n');
    }
    lines
}

/// Reads the lines of a segment or of the root (`first` is the version of the first line), or those of a page
/// (`first` is `None`: every line has a version of its own).
///
/// # Errors
/// [`FormatError::Line`] with the first line that is no record.
pub fn decode_lines(lines: &str, first: Option<u64>) -> Result<Vec<Versioned>, FormatError> {
    let decode = |(index, text): (usize, &str)| {
        let at = |message: String| FormatError::Line { line: index + 1, message };
        let (record, own) = Record::from_line(text).map_err(at)?;
        let version = match (first, own) {
            (Some(first), None) => first + index as u64,
            (None, Some(own)) => own,
            _ => return Err(at("a page's entry has a version, and a record has none".to_owned())),
        };
        Ok(Versioned { version, record })
    };
    lines.lines().enumerate().map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: impl Into<Bytes>) -> Put {
        let key = Key::new(key).unwrap();
        Put {
            key,
            value: StoredValue::Inline(value.into()),
            metadata: None,
            expiration: None,
            declared: false,
        }
    }

    #[test]
    fn a_record_is_a_line_that_a_person_can_read() {
        let metadata = Metadata::parse(r#"{"owner": "web"}"#).unwrap();
        let record = Record::Put(Put {
            metadata,
            expiration: Some(Expiration(1_800_000_000)),
            declared: true,
            ..put("site_title", "My \"Awesome\" Blog")
        });
        let line = r#"{"put":"site_title","value":"My \"Awesome\" Blog","metadata":{"owner": "web"},"expiration":1800000000,"declared":true}"#;
        assert_eq!(encode_lines([&record]), format!("{line}\n"));
        assert_eq!(
            Record::Delete(Key::new("old").unwrap()).to_line(Some(7)),
            r#"{"delete":"old","version":7}"#
        );
    }

    #[test]
    fn every_record_reads_back_and_binary_is_base64() {
        let chunks = Chunks { nonce: "ab".into(), count: 2, size: 300_000, sha256: Sha::of(b"x") };
        let records = vec![
            Record::Put(put("\u{1}\n/é", "")),
            Record::Put(put("binary", vec![0xff, 0, 1])),
            Record::Put(put("controls", vec![1; 9])),
            Record::Put(Put { value: StoredValue::Chunked(chunks), ..put("long", "") }),
            Record::Delete(Key::new("gone").unwrap()),
        ];
        let lines = encode_lines(&records);
        assert_eq!(lines.matches("\"base64\"").count(), 2);
        let back = decode_lines(&lines, Some(10)).unwrap();
        assert_eq!(back.iter().map(|v| v.version).collect::<Vec<_>>(), [10, 11, 12, 13, 14]);
        assert_eq!(back.into_iter().map(|v| v.record).collect::<Vec<_>>(), records);
    }

    #[test]
    fn a_damaged_line_is_named() {
        let error = decode_lines("{\"delete\":\"a\"}\n{\"put\":\"b\"}\n", Some(1)).unwrap_err();
        assert_eq!(error.to_string(), "line 2: a put has one of value, base64 and chunks");
    }
}
