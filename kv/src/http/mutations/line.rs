//! One line of a bulk write's body, from and to a mutation.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Condition, DeleteOptions, Error, ExpirationRequest, Key, Metadata, Mutation, PutOptions, Reason, Value,
    Version,
};

/// A line of the body.
#[derive(Debug)]
pub(super) enum Line {
    /// A mutation.
    Mutation(Mutation),
    /// A put whose value comes in the lines behind it.
    Long {
        /// Under this key.
        key: Key,
        /// With what belongs to it.
        options: PutOptions,
        /// How long it will be, where that is known.
        length: Option<u64>,
    },
    /// A piece of a value.
    Piece(Bytes),
    /// The end of a value: how many bytes it had.
    Whole(u64),
    /// The last line: how many mutations there were.
    End(u64),
}

/// The line as it stands. Which members belong together is judged in [`parse`].
#[derive(Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    put: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    delete: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    piece: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pieces: Option<Pieces>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration_ttl: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    condition: Option<WireCondition>,
}

/// What a put says of a value that comes behind it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Pieces {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum WireCondition {
    Versions(Vec<String>),
    Exists,
    Absent,
}

/// Reads a line.
///
/// # Errors
/// `body-invalid` (400) for what is no such line, and the contract's refusals of its parts.
pub(super) fn parse(line: &[u8]) -> Result<Line, Error> {
    let wire: Wire<'_> =
        serde_json::from_slice(line).map_err(|error| invalid(&error.to_string()).with_source(error))?;
    let Wire {
        put,
        delete,
        end,
        piece,
        whole,
        pieces,
        value,
        base64,
        metadata,
        expiration,
        expiration_ttl,
        condition,
    } = wire;
    let condition = condition.map(read_condition).transpose()?;
    let bare = value.is_none() && base64.is_none() && pieces.is_none() && metadata.is_none();
    let bare = bare && expiration.is_none() && expiration_ttl.is_none();
    let alone = bare && condition.is_none();
    match (put, delete, piece, whole, end) {
        (Some(key), None, None, None, None) => {
            let options = PutOptions {
                expiration: ExpirationRequest::of(expiration, expiration_ttl),
                metadata: metadata.map(|raw| Metadata::parse(raw.get())).transpose()?.flatten(),
                condition,
            };
            let value = match (value, base64, pieces) {
                (Some(text), None, None) => Bytes::from(text.into_owned()),
                (None, Some(text), None) => Bytes::from(decode_base64(&text)?),
                (None, None, Some(Pieces { length })) => {
                    return Ok(Line::Long { key: Key::new(&key)?, options, length });
                }
                _ => return Err(invalid("a put has one of value, base64 and pieces")),
            };
            Ok(Line::Mutation(Mutation::Put { key: Key::new(&key)?, value: Value::Bytes(value), options }))
        }
        (None, Some(key), None, None, None) if bare => Ok(Line::Mutation(Mutation::Delete {
            key: Key::new(&key)?,
            options: DeleteOptions { condition },
        })),
        (None, None, Some(text), None, None) if alone => Ok(Line::Piece(decode_base64(&text)?.into())),
        (None, None, None, Some(length), None) if alone => Ok(Line::Whole(length)),
        (None, None, None, None, Some(count)) if alone => Ok(Line::End(count)),
        _ => Err(invalid("it is neither a put, a delete, a part of a value nor the end")),
    }
}

/// Decodes the base64 of a value.
///
/// # Errors
/// `body-invalid` (400).
pub(super) fn decode_base64(text: &str) -> Result<Vec<u8>, Error> {
    BASE64_STANDARD.decode(text).map_err(|error| invalid(&format!("base64: {error}")).with_source(error))
}

pub(super) fn invalid(what: &str) -> Error {
    Error::new(
        Reason::BodyInvalid,
        format!("A line of the bulk write is invalid: {what}; nothing was written"),
    )
}

fn read_condition(given: WireCondition) -> Result<Condition, Error> {
    Ok(match given {
        WireCondition::Versions(versions) => {
            let versions = versions.iter().map(|version| version.parse::<Version>());
            Condition::Versions(versions.collect::<Result<_, _>>()?)
        }
        WireCondition::Exists => Condition::Exists,
        WireCondition::Absent => Condition::Absent,
    })
}

fn write_condition(condition: &Condition) -> WireCondition {
    match condition {
        Condition::Versions(versions) => {
            WireCondition::Versions(versions.iter().map(ToString::to_string).collect())
        }
        Condition::Exists => WireCondition::Exists,
        Condition::Absent => WireCondition::Absent,
    }
}

/// The line of a put.
pub(super) fn put(key: &Key, value: &[u8], options: &PutOptions) -> Result<Vec<u8>, Error> {
    let mut wire = bare_put(key, options)?;
    match std::str::from_utf8(value) {
        // An escape takes six bytes, base64 a third more than the value.
        Ok(text) if 5 * text.bytes().filter(|b| *b < 0x20).count() <= text.len() / 3 => {
            wire.value = Some(text.into());
        }
        _ => wire.base64 = Some(BASE64_STANDARD.encode(value).into()),
    }
    write(&wire)
}

/// The first line of a put whose value follows in pieces.
pub(super) fn long_put(key: &Key, length: Option<u64>, options: &PutOptions) -> Result<Vec<u8>, Error> {
    write(&Wire { pieces: Some(Pieces { length }), ..bare_put(key, options)? })
}

/// A piece of a value.
pub(super) fn piece(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    write(&Wire { piece: Some(BASE64_STANDARD.encode(bytes).into()), ..Wire::default() })
}

/// The end of a value in pieces.
pub(super) fn whole(length: u64) -> Result<Vec<u8>, Error> {
    write(&Wire { whole: Some(length), ..Wire::default() })
}

/// A put without its value.
fn bare_put<'a>(key: &'a Key, options: &'a PutOptions) -> Result<Wire<'a>, Error> {
    let PutOptions { expiration, metadata, condition } = options;
    let metadata = metadata.as_ref().map(|metadata| serde_json::from_str::<&RawValue>(metadata.as_str()));
    let mut wire = Wire {
        put: Some(key.as_str().into()),
        metadata: metadata.transpose().map_err(unwritten)?,
        condition: condition.as_ref().map(write_condition),
        ..Wire::default()
    };
    match expiration {
        Some(ExpirationRequest::At(at)) => wire.expiration = Some(*at),
        Some(ExpirationRequest::Ttl(ttl)) => wire.expiration_ttl = Some(*ttl),
        None => {}
    }
    Ok(wire)
}

/// The line of a delete.
pub(super) fn delete(key: &Key, options: &DeleteOptions) -> Result<Vec<u8>, Error> {
    let condition = options.condition.as_ref().map(write_condition);
    write(&Wire { delete: Some(key.as_str().into()), condition, ..Wire::default() })
}

/// The last line.
pub(super) fn end(count: u64) -> Result<Vec<u8>, Error> {
    write(&Wire { end: Some(count), ..Wire::default() })
}

fn write(wire: &Wire<'_>) -> Result<Vec<u8>, Error> {
    let mut line = serde_json::to_vec(wire).map_err(unwritten)?;
    line.push(b'\n');
    Ok(line)
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::new(Reason::Internal, "Failed to write a mutation as JSON").with_source(error)
}
