//! A long value among the lines of a bulk write: pieces, and a line that says how many bytes they were.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    line::{self, Line},
    lines::{Lines, unended},
};
use crate::{Error, Value, http::source::Source};

/// The lines behind a value, and how the reading of it ended.
pub(super) struct Returned {
    lines: Lines,
    end: End,
}

enum End {
    /// It was read to its end.
    Whole,
    /// It was dropped before.
    Dropped,
    /// It is none.
    Failed(Error),
}

impl Returned {
    /// The lines behind the value.
    pub(super) async fn rest(self) -> Result<Lines, Error> {
        let Self { mut lines, end } = self;
        match end {
            End::Whole => Ok(lines),
            End::Failed(error) => Err(error),
            End::Dropped => loop {
                match lines.next().await? {
                    Some(Line::Piece(_)) => {}
                    Some(Line::Whole(_)) => return Ok(lines),
                    other => return Err(broken(other.is_some())),
                }
            },
        }
    }
}

/// The value whose pieces come next. The lines behind it go to `give_back`.
pub(super) fn of(lines: Lines, length: Option<u64>, give_back: oneshot::Sender<Returned>) -> Value {
    let pieces = Pieces { lent: Some((lines, give_back)), seen: 0 };
    Value::Stream { length, chunks: pieces.into_stream() }
}

struct Pieces {
    lent: Option<(Lines, oneshot::Sender<Returned>)>,
    seen: u64,
}

impl Source for Pieces {
    type Item = Bytes;

    async fn pull(&mut self) -> Result<Option<Bytes>, Error> {
        let Some((lines, _)) = &mut self.lent else { return Ok(None) };
        let next = match lines.next().await {
            Ok(Some(Line::Piece(piece))) => {
                self.seen += piece.len() as u64;
                return Ok(Some(piece));
            }
            Ok(Some(Line::Whole(length))) if length == self.seen => Ok(None),
            Ok(Some(Line::Whole(length))) => {
                Err(line::invalid(&format!("it counts {length} bytes of a value, and {} came", self.seen)))
            }
            Ok(other) => Err(broken(other.is_some())),
            Err(error) => Err(error),
        };
        self.give_back(next.as_ref().map_or_else(|error| End::Failed(error.clone()), |_| End::Whole));
        next
    }
}

impl Pieces {
    fn give_back(&mut self, end: End) {
        if let Some((lines, give_back)) = self.lent.take() {
            // Nobody takes them where the whole body has been given up.
            let _ = give_back.send(Returned { lines, end });
        }
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.give_back(End::Dropped);
    }
}

/// The refusal of a value that ends without its last line.
fn broken(goes_on: bool) -> Error {
    if goes_on { line::invalid("the value before it has no end") } else { unended() }
}
