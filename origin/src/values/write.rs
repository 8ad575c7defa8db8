//! A value on its way in: short ones into the record, long ones into chunks that nothing names yet.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt,
    stream::{BoxStream, FuturesUnordered},
};
use nearkv::{Error, Reason, Value};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use crate::{
    format::{CHUNK_BYTES, Chunks, INLINE_VALUE_BYTES, Sha, StoredValue},
    parts::writer::PartWriter,
};

/// Chunks of one value that are on their way to the store at a time: 1 MiB of memory a writer.
const CHUNKS_IN_FLIGHT: usize = 4;

/// A value that a record may name now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shelved {
    /// What the record says.
    pub value: StoredValue,
    /// When the first chunk was sent. Past half of the grace since then it must not be named any more: the
    /// collector may be about to delete it (design §6 invariant 6).
    pub born: Instant,
}

/// Takes a value in. Of a long one the chunks exist afterwards; on an error, some of them, as garbage. However long the
/// value takes to arrive, the store has `patience` for each chunk.
///
/// # Errors
/// `value-too-long` (413) as soon as the limit is passed; the source's own error; `budget-exceeded` (413); `unavailable`
/// (503) where the store does not answer in time; what it refuses.
pub(crate) async fn shelve(
    part_writer: &PartWriter,
    value: Value,
    patience: Duration,
) -> Result<Shelved, Error> {
    let born = Instant::now();
    let mut pieces = value.into_limited_stream();
    let mut head = BytesMut::new();
    while head.len() <= INLINE_VALUE_BYTES {
        match pieces.next().await {
            Some(piece) => head.extend_from_slice(&piece?),
            None => return Ok(Shelved { value: StoredValue::Inline(head.freeze()), born }),
        }
    }
    let nonce = part_writer.random.hex128();
    let mut cutter = Cutter { pieces, pending: head, hasher: Sha256::new(), size: 0, count: 0, ended: false };
    let mut flight = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(created) = flight.next(), if !flight.is_empty() => created?,
            chunk = cutter.next(), if !cutter.is_done() && flight.len() < CHUNKS_IN_FLIGHT => {
                let Some((index, bytes)) = chunk? else { continue };
                let draft = part_writer.drafter.chunk(&nonce, index, bytes);
                flight.push(async move {
                    match timeout(patience, part_writer.create(vec![draft])).await {
                        Ok(created) => created.map_err(Error::from),
                        Err(_) => Err(late()),
                    }
                });
            }
            else => break,
        }
    }
    let Cutter { pieces: _, pending: _, hasher, size, count, ended: _ } = cutter;
    let chunks = Chunks { nonce, count, size, sha256: Sha::finish(hasher) };
    Ok(Shelved { value: StoredValue::Chunked(chunks), born })
}

fn late() -> Error {
    Error::new(Reason::Unavailable, "The store did not take the value in time; nothing was written")
}

/// Cuts a stream of any pieces into chunks, and counts and digests what passes.
struct Cutter {
    pieces: BoxStream<'static, Result<Bytes, Error>>,
    pending: BytesMut,
    hasher: Sha256,
    size: u64,
    count: u32,
    ended: bool,
}

impl Cutter {
    /// The next chunk with its index. May be dropped and called again without a loss.
    async fn next(&mut self) -> Result<Option<(u32, Bytes)>, Error> {
        while !self.ended && self.pending.len() < CHUNK_BYTES {
            match self.pieces.next().await {
                Some(piece) => self.pending.extend_from_slice(&piece?),
                None => self.ended = true,
            }
        }
        if self.pending.is_empty() {
            return Ok(None);
        }
        let chunk = self.pending.split_to(self.pending.len().min(CHUNK_BYTES)).freeze();
        // One piece may have been longer than a chunk: the rest is not the end yet.
        let index = self.count;
        self.hasher.update(&chunk);
        self.size += chunk.len() as u64;
        self.count += 1;
        Ok(Some((index, chunk)))
    }

    fn is_done(&self) -> bool {
        self.ended && self.pending.is_empty()
    }
}
