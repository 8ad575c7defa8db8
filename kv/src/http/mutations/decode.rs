//! The body of a bulk write as mutations.

use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::sync::oneshot;

use super::{
    line::{self, Line},
    lines::{Lines, unended},
    value::{self, Returned},
};
use crate::{Error, Mutation, http::source::Source};

/// Who reads.
struct Decoder {
    turn: Turn,
    count: u64,
}

/// Whose turn it is to read lines.
enum Turn {
    /// The decoder's.
    Own(Lines),
    /// The value's that was given last. It gives them back when it has ended, or is dropped.
    Lent(oneshot::Receiver<Returned>),
}

/// The mutations of a body, one line in memory at a time. A body that breaks off, that ends without its last line or
/// with a wrong count, and one that goes on behind it, end the stream with an error: nothing may be written then.
///
/// A long value streams out of the same body: the mutation behind it comes once it is read or dropped.
#[must_use]
pub fn decode(body: BoxStream<'static, Result<Bytes, Error>>) -> BoxStream<'static, Result<Mutation, Error>> {
    Decoder { turn: Turn::Own(Lines::of(body)), count: 0 }.into_stream()
}

impl Source for Decoder {
    type Item = Mutation;

    async fn pull(&mut self) -> Result<Option<Mutation>, Error> {
        let line = self.line().await?;
        match line {
            Some(Line::Mutation(mutation)) => {
                self.count += 1;
                Ok(Some(mutation))
            }
            Some(Line::Long { key, options, length }) => {
                self.count += 1;
                let (give_back, given_back) = oneshot::channel();
                let Turn::Own(lines) = std::mem::replace(&mut self.turn, Turn::Lent(given_back)) else {
                    return Err(unended());
                };
                Ok(Some(Mutation::Put { key, value: value::of(lines, length, give_back), options }))
            }
            Some(Line::Piece(_) | Line::Whole(_)) => Err(line::invalid("it belongs to no value")),
            Some(Line::End(count)) if count != self.count => {
                Err(line::invalid(&format!("it counts {count} mutations, and {} came", self.count)))
            }
            Some(Line::End(_)) => match self.line().await? {
                Some(_) => Err(line::invalid("it stands behind the end")),
                None => Ok(None),
            },
            None => Err(unended()),
        }
    }
}

impl Decoder {
    /// The next line that is no part of a value.
    async fn line(&mut self) -> Result<Option<Line>, Error> {
        if let Turn::Lent(given_back) = &mut self.turn {
            let returned = given_back.await.map_err(|_| unended())?;
            self.turn = Turn::Own(returned.rest().await?);
        }
        match &mut self.turn {
            Turn::Own(lines) => lines.next().await,
            Turn::Lent(_) => Err(unended()),
        }
    }
}
