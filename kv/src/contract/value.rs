//! A value on its way: in memory, or a stream of known or unknown length.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use crate::{Error, limits::MAX_VALUE_BYTES};

/// The bytes of a value. A stream ends with an error when its source breaks off; whoever passes it on must
/// then abort, never end it as if it were whole.
pub enum Value {
    /// All of it.
    Bytes(Bytes),
    /// Chunk by chunk.
    Stream {
        /// The length in bytes, where the source has announced it. The source's promise, checked by who reads.
        length: Option<u64>,
        /// The chunks in order.
        chunks: BoxStream<'static, Result<Bytes, Error>>,
    },
}

impl Value {
    /// The length in bytes, where it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Stream { length, .. } => *length,
        }
    }

    /// Reads the whole value into memory, at most [`MAX_VALUE_BYTES`].
    ///
    /// # Errors
    /// `value-too-long` (413) as soon as the limit is passed, at once where the length is announced; the
    /// source's own error; `body-incomplete` (400) where fewer bytes came than were announced.
    pub async fn into_bytes(self) -> Result<Bytes, Error> {
        let (length, mut chunks) = match self {
            Self::Bytes(bytes) if bytes.len() as u64 > MAX_VALUE_BYTES => {
                return Err(Error::value_too_long(bytes.len() as u64));
            }
            Self::Bytes(bytes) => return Ok(bytes),
            Self::Stream { length, chunks } => (length, limited(length, chunks)),
        };
        let mut whole = BytesMut::with_capacity(length.map_or(0, |n| n.min(MAX_VALUE_BYTES) as usize));
        while let Some(chunk) = chunks.next().await {
            whole.extend_from_slice(&chunk?);
        }
        Ok(whole.freeze())
    }

    /// The value as a stream that fails as soon as it is longer than [`MAX_VALUE_BYTES`], or other than announced.
    #[must_use]
    pub fn into_limited_stream(self) -> BoxStream<'static, Result<Bytes, Error>> {
        match self {
            Self::Bytes(bytes) => limited(None, stream::once(async { Ok(bytes) }).boxed()),
            Self::Stream { length, chunks } => limited(length, chunks),
        }
    }
}

fn limited(
    length: Option<u64>,
    chunks: BoxStream<'static, Result<Bytes, Error>>,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let announced_too_long = length.filter(|n| *n > MAX_VALUE_BYTES);
    let state = (chunks, 0u64, false);
    stream::unfold(state, move |(mut chunks, mut seen, done)| async move {
        if done {
            return None;
        }
        if let Some(length) = announced_too_long {
            return Some((Err(Error::value_too_long(length)), (chunks, seen, true)));
        }
        match chunks.next().await {
            Some(Ok(chunk)) => {
                seen += chunk.len() as u64;
                if seen > MAX_VALUE_BYTES {
                    return Some((Err(Error::value_too_long(seen)), (chunks, seen, true)));
                }
                // The surplus must not get out: who writes exactly `length` bytes would end as if whole.
                if let Some(length) = length.filter(|length| seen > *length) {
                    return Some((Err(Error::body_incomplete(seen, length)), (chunks, seen, true)));
                }
                Some((Ok(chunk), (chunks, seen, false)))
            }
            Some(Err(error)) => Some((Err(error), (chunks, seen, true))),
            None => match length {
                Some(length) if length != seen => {
                    Some((Err(Error::body_incomplete(seen, length)), (chunks, seen, true)))
                }
                _ => None,
            },
        }
    })
    .boxed()
}

impl Error {
    fn body_incomplete(seen: u64, length: u64) -> Self {
        Self::new(crate::Reason::BodyIncomplete, format!("The body ended after {seen} of {length} bytes"))
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Bytes(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream_of(length: Option<u64>, chunks: Vec<usize>) -> Value {
        Value::Stream { length, chunks: stream::iter(chunks).map(|n| Ok(Bytes::from(vec![7; n]))).boxed() }
    }

    #[tokio::test]
    async fn the_limit_holds_while_a_value_streams() {
        let mib = 1024 * 1024;
        let whole = stream_of(None, vec![mib; 25]).into_bytes().await.unwrap();
        assert_eq!(whole.len(), 25 * mib);
        let mut over = vec![mib; 25];
        over.push(1);
        let error = stream_of(None, over).into_bytes().await.unwrap_err();
        assert_eq!(error.to_string(), "Value length of 26214401 exceeds limit of 26214400.");
    }

    #[tokio::test]
    async fn an_announced_length_is_refused_at_once_and_must_be_kept() {
        let error = stream_of(Some(MAX_VALUE_BYTES + 1), vec![]).into_bytes().await.unwrap_err();
        assert_eq!(error.to_string(), "Value length of 26214401 exceeds limit of 26214400.");
        let error = stream_of(Some(5), vec![2, 2]).into_bytes().await.unwrap_err();
        assert_eq!(error.to_string(), "The body ended after 4 of 5 bytes");
    }
}
