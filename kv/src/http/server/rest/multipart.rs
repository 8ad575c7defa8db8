//! A put as `multipart/form-data` with the fields `value` and `metadata` (contract §3.1). Metadata that come first let
//! the value stream; metadata that come behind it have the value wait in memory, as the write needs both.

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, header};
use multer::{Field, Multipart};

use crate::{Error, Metadata, Reason, Value, http::server::upload::Upload, limits::MAX_METADATA_BYTES};

/// How much of the metadata field is read before it is refused as too long: the length is part of the refusal.
const MAX_METADATA_READ: usize = 64 * 1024;

/// The boundary of a multipart body; `None` for a body that is the value itself.
///
/// # Errors
/// `body-invalid` (400) for a multipart body of another kind, or without a boundary.
pub(super) fn boundary(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(given) = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()) else {
        return Ok(None);
    };
    if !given.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return Ok(None);
    }
    multer::parse_boundary(given).map(Some).map_err(invalid)
}

/// Reads the fields up to the value, or all of them where the value comes first.
///
/// # Errors
/// `body-invalid` and `body-incomplete` (400) for what is no multipart body or breaks off, `metadata-invalid` and
/// `metadata-too-long`.
pub(super) async fn read(
    upload: Option<&Upload>,
    boundary: String,
) -> Result<(Value, Option<Metadata>), Error> {
    let body = upload.map_or_else(|| stream::empty().boxed(), Upload::chunks);
    let mut form = Multipart::new(body, boundary);
    let mut metadata = None;
    while let Some(field) = form.next_field().await.map_err(invalid)? {
        match field.name() {
            Some("value") if metadata.is_some() => {
                let metadata = metadata.flatten();
                return Ok((streaming(field, form), metadata));
            }
            Some("value") => {
                let value =
                    Value::Stream { length: None, chunks: chunks(field).boxed() }.into_bytes().await?;
                let metadata = rest(&mut form, metadata).await?;
                return Ok((Value::Bytes(value), metadata.flatten()));
            }
            _ => take(field, &mut metadata).await?,
        }
    }
    Err(Error::new(Reason::BodyInvalid, "the form has no field value"))
}

/// Reads what comes behind a value that is in memory.
async fn rest(
    form: &mut Multipart<'static>,
    mut metadata: Option<Option<Metadata>>,
) -> Result<Option<Option<Metadata>>, Error> {
    while let Some(field) = form.next_field().await.map_err(invalid)? {
        take(field, &mut metadata).await?;
    }
    Ok(metadata)
}

/// Takes a field that is not the first value.
async fn take(field: Field<'static>, metadata: &mut Option<Option<Metadata>>) -> Result<(), Error> {
    match field.name() {
        Some("metadata") if metadata.is_none() => *metadata = Some(read_metadata(field).await?),
        Some(name @ ("metadata" | "value")) => {
            let text = format!("the form has the field {name} twice");
            return Err(Error::new(Reason::BodyInvalid, text));
        }
        // How some clients flatten an object. Half of it must not be dropped in silence.
        Some(name) if name.starts_with("metadata[") => {
            return Err(Error::new(Reason::MetadataInvalid, "metadata must be valid json, in one field"));
        }
        _ => {}
    }
    Ok(())
}

async fn read_metadata(mut field: Field<'static>) -> Result<Option<Metadata>, Error> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(invalid)? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_METADATA_READ {
            break;
        }
    }
    if text.len() > MAX_METADATA_BYTES {
        return Err(Error::metadata_too_long(text.len()));
    }
    Metadata::parse(std::str::from_utf8(&text).map_err(|_| Error::metadata_invalid())?)
}

/// The value as it comes. It ends well only where the form does, behind it.
fn streaming(field: Field<'static>, form: Multipart<'static>) -> Value {
    let end = stream::once(async move {
        let mut form = form;
        match form.next_field().await {
            Ok(None) => Ok(Bytes::new()),
            Ok(Some(_)) => Err(Error::new(Reason::BodyInvalid, "the form goes on behind the value")),
            Err(error) => Err(invalid(error)),
        }
    });
    Value::Stream { length: None, chunks: chunks(field).chain(end).boxed() }
}

fn chunks(field: Field<'static>) -> impl futures::Stream<Item = Result<Bytes, Error>> + Send {
    field.map(|chunk| chunk.map_err(invalid))
}

/// What is wrong with a form. A body that broke off says so itself.
fn invalid(error: multer::Error) -> Error {
    if let multer::Error::StreamReadFailed(cause) = error {
        return match cause.downcast::<Error>() {
            Ok(error) => *error,
            Err(cause) => Error::new(Reason::BodyIncomplete, format!("the form cannot be read: {cause}")),
        };
    }
    let reason = match error {
        multer::Error::IncompleteFieldData { .. }
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteStream => Reason::BodyIncomplete,
        _ => Reason::BodyInvalid,
    };
    Error::new(reason, format!("the form is malformed: {error}")).with_source(error)
}
