//! The lines of a bulk write's body as it streams.

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};

use super::{
    MAX_LINE_BYTES,
    line::{self, Line},
};
use crate::{Error, Reason};

/// The body that is left, and what has come of a line.
pub(super) struct Lines {
    body: BoxStream<'static, Result<Bytes, Error>>,
    pending: BytesMut,
    /// How much of `pending` is known to hold no line's end.
    searched: usize,
}

impl Lines {
    pub(super) fn of(body: BoxStream<'static, Result<Bytes, Error>>) -> Self {
        Self { body, pending: BytesMut::new(), searched: 0 }
    }

    /// The next line that is not empty; `None` at the end of the body.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, Error> {
        loop {
            let end = self.pending[self.searched..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = self.pending.split_to(self.searched + end);
                self.pending.advance(1);
                self.searched = 0;
                if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    return line::parse(&line).map(Some);
                }
                continue;
            }
            self.searched = self.pending.len();
            if self.searched > MAX_LINE_BYTES {
                return Err(line::invalid("it is too long; a long value is sent in pieces"));
            }
            match self.body.next().await.transpose()? {
                Some(chunk) => self.pending.extend_from_slice(&chunk),
                None if self.pending.iter().all(u8::is_ascii_whitespace) => return Ok(None),
                None => return Err(unended()),
            }
        }
    }
}

pub(super) fn unended() -> Error {
    Error::new(
        Reason::BodyIncomplete,
        "The bulk write ended without its last line, {\"end\": COUNT}; nothing was written",
    )
}
