//! Mutations as the body of a bulk write.

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};

use super::{CHUNK_BYTES, LONG_VALUE_BYTES, line};
use crate::{Error, Mutation, Value, http::source::Source};

/// Who writes: the mutations that are left, and what has been written and not yet been sent.
struct Encoder {
    mutations: BoxStream<'static, Result<Mutation, Error>>,
    count: u64,
    /// A long value that is being written.
    value: Option<LongValue>,
    ready: BytesMut,
    ended: bool,
}

struct LongValue {
    chunks: BoxStream<'static, Result<Bytes, Error>>,
    /// What is left of a chunk.
    pending: Bytes,
    written: u64,
}

/// The body, in chunks of about 64 KiB; long values stream through. The last line follows only when the mutations
/// ended well: without it the server writes nothing.
#[must_use]
pub fn encode(
    mutations: BoxStream<'static, Result<Mutation, Error>>,
) -> BoxStream<'static, Result<Bytes, Error>> {
    Encoder { mutations, count: 0, value: None, ready: BytesMut::new(), ended: false }.into_stream()
}

impl Source for Encoder {
    type Item = Bytes;

    async fn pull(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended && self.ready.len() < CHUNK_BYTES {
            let line = match &mut self.value {
                Some(value) => match value.piece().await? {
                    Some(piece) => line::piece(&piece)?,
                    None => {
                        let written = value.written;
                        self.value = None;
                        line::whole(written)?
                    }
                },
                None => self.mutation().await?,
            };
            self.ready.extend_from_slice(&line);
        }
        Ok(Some(std::mem::take(&mut self.ready).freeze()).filter(|chunk| !chunk.is_empty()))
    }
}

impl Encoder {
    /// The first line of the next mutation, or the last of all.
    async fn mutation(&mut self) -> Result<Vec<u8>, Error> {
        let Some(mutation) = self.mutations.next().await.transpose()? else {
            self.ended = true;
            return line::end(self.count);
        };
        self.count += 1;
        match mutation {
            Mutation::Put { key, value, options } => match value.length() {
                Some(length) if length <= LONG_VALUE_BYTES => {
                    line::put(&key, &value.into_bytes().await?, &options)
                }
                length => {
                    self.value = Some(LongValue::of(value));
                    line::long_put(&key, length, &options)
                }
            },
            Mutation::Delete { key, options } => line::delete(&key, &options),
        }
    }
}

impl LongValue {
    fn of(value: Value) -> Self {
        Self { chunks: value.into_limited_stream(), pending: Bytes::new(), written: 0 }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        while self.pending.is_empty() {
            match self.chunks.next().await.transpose()? {
                Some(chunk) => self.pending = chunk,
                None => return Ok(None),
            }
        }
        let most = self.pending.len().min(CHUNK_BYTES / 4 * 3);
        let piece = self.pending.split_to(most);
        self.written += piece.len() as u64;
        Ok(Some(piece))
    }
}
