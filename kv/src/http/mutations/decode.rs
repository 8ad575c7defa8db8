//! The body of a bulk write as mutations.

use bytes::{Buf, Bytes, BytesMut};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{
    MAX_LINE_BYTES,
    line::{self, Line},
};
use crate::{Error, Mutation, Reason};

/// Who reads: the body that is left, and what has come of a line.
struct Decoder {
    body: BoxStream<'static, Result<Bytes, Error>>,
    pending: BytesMut,
    /// How much of `pending` is known to hold no line's end.
    searched: usize,
    count: u64,
    done: bool,
}

/// The mutations of a body, one line in memory at a time. A body that breaks off, that ends without its last line or
/// with a wrong count, and one that goes on behind it, end the stream with an error: nothing may be written then.
#[must_use]
pub fn decode(body: BoxStream<'static, Result<Bytes, Error>>) -> BoxStream<'static, Result<Mutation, Error>> {
    let decoder = Decoder { body, pending: BytesMut::new(), searched: 0, count: 0, done: false };
    stream::unfold(decoder, |mut decoder| async move {
        if decoder.done {
            return None;
        }
        let next = decoder.mutation().await.transpose()?;
        decoder.done = next.is_err();
        Some((next, decoder))
    })
    .boxed()
}

impl Decoder {
    async fn mutation(&mut self) -> Result<Option<Mutation>, Error> {
        let Some(line) = self.line().await? else { return Err(unended()) };
        match line::parse(&line)? {
            Line::Mutation(mutation) => {
                self.count += 1;
                Ok(Some(mutation))
            }
            Line::End(count) if count != self.count => {
                Err(line::invalid(&format!("it counts {count} mutations, and {} came", self.count)))
            }
            Line::End(_) => match self.line().await? {
                Some(_) => Err(line::invalid("it stands behind the end")),
                None => Ok(None),
            },
        }
    }

    /// The next line that is not empty; `None` at the end of the body.
    async fn line(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let end = self.pending[self.searched..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let line = self.pending.split_to(self.searched + end).freeze();
                self.pending.advance(1);
                self.searched = 0;
                if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.pending.len();
            if self.searched > MAX_LINE_BYTES {
                return Err(line::invalid("it is too long"));
            }
            match self.body.next().await.transpose()? {
                Some(chunk) => self.pending.extend_from_slice(&chunk),
                None if self.pending.iter().all(u8::is_ascii_whitespace) => return Ok(None),
                None => return Err(unended()),
            }
        }
    }
}

fn unended() -> Error {
    Error::new(
        Reason::BodyIncomplete,
        "The bulk write ended without its last line, {\"end\": COUNT}; nothing was written",
    )
}
