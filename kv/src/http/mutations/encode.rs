//! Mutations as the body of a bulk write.

use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{CHUNK_BYTES, line};
use crate::{Error, Mutation};

/// Who writes: the mutations that are left, and what has been written and not yet been sent.
struct Encoder {
    mutations: BoxStream<'static, Result<Mutation, Error>>,
    count: u64,
    ready: BytesMut,
    ended: bool,
}

/// The body, in chunks of about 64 KiB; a value is held whole while its line is written. The last line follows only
/// when the mutations ended well: without it the server writes nothing.
#[must_use]
pub fn encode(
    mutations: BoxStream<'static, Result<Mutation, Error>>,
) -> BoxStream<'static, Result<Bytes, Error>> {
    let encoder = Encoder { mutations, count: 0, ready: BytesMut::new(), ended: false };
    stream::unfold(encoder, |mut encoder| async move {
        let chunk = encoder.chunk().await.transpose()?;
        if chunk.is_err() {
            encoder.ended = true;
            encoder.ready.clear();
        }
        Some((chunk, encoder))
    })
    .boxed()
}

impl Encoder {
    async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended && self.ready.len() < CHUNK_BYTES {
            let line = match self.mutations.next().await.transpose()? {
                Some(Mutation::Put { key, value, options }) => {
                    line::put(&key, &value.into_bytes().await?, &options)?
                }
                Some(Mutation::Delete { key, options }) => line::delete(&key, &options)?,
                None => {
                    self.ended = true;
                    line::end(self.count)?
                }
            };
            self.count += 1;
            self.ready.extend_from_slice(&line);
        }
        Ok(Some(std::mem::take(&mut self.ready).freeze()).filter(|chunk| !chunk.is_empty()))
    }
}
