//! A JSON array as it streams: its elements' texts, one in memory at a time. What an element says is for its reader;
//! here only its end is found.

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};

use crate::{Error, Reason};

/// Longest element: a value of 25 MiB in base64, a key and metadata that are all escapes, and some.
const MAX_ELEMENT_BYTES: usize = 36 * 1024 * 1024;

/// Where in the array the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before `[`.
    Start,
    /// Behind `[`.
    First,
    /// Behind an element.
    Behind,
    /// Behind a comma.
    Next,
    /// Behind `]`.
    End,
}

/// Reads an array's elements.
pub(super) struct Elements {
    body: BoxStream<'static, Result<Bytes, Error>>,
    pending: BytesMut,
    place: Place,
    scan: Scan,
    /// Bytes of the body that may still come.
    left: u64,
    limit: u64,
}

/// How far an element has been looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Elements {
    /// Those of a body of at most `limit` bytes.
    pub(super) fn of(body: BoxStream<'static, Result<Bytes, Error>>, limit: u64) -> Self {
        Self {
            body,
            pending: BytesMut::new(),
            place: Place::Start,
            scan: Scan::default(),
            left: limit,
            limit,
        }
    }

    /// The next element; `None` behind the last, when the body has ended as it should.
    ///
    /// # Errors
    /// `body-invalid` (400) for what is no array, `body-incomplete` (400) for one that breaks off,
    /// `bulk-too-large` (413).
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(element) = self.advance()? {
                return Ok(Some(element));
            }
            if self.pending.len() > MAX_ELEMENT_BYTES {
                let text = format!("an element has more than {MAX_ELEMENT_BYTES} bytes");
                return Err(Error::new(Reason::BulkTooLarge, text));
            }
            match self.body.next().await.transpose()? {
                Some(chunk) => {
                    let limit = self.limit;
                    let left = self.left.checked_sub(chunk.len() as u64);
                    self.left = left.ok_or_else(|| {
                        Error::new(Reason::BulkTooLarge, format!("the body has more than {limit} bytes"))
                    })?;
                    self.pending.extend_from_slice(&chunk);
                }
                None if self.place == Place::End => return Ok(None),
                None => return Err(Error::new(Reason::BodyIncomplete, "the array has no end")),
            }
        }
    }

    /// Goes through what has come; an element, where one is whole.
    fn advance(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.scan.at == 0 {
                let blank = self.pending.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                self.pending.advance(blank);
            }
            let Some(first) = self.pending.first().copied() else { return Ok(None) };
            self.place = match (self.place, first) {
                (Place::Start, b'[') => Place::First,
                (Place::First | Place::Behind, b']') => Place::End,
                (Place::Behind, b',') => Place::Next,
                (Place::First | Place::Next, byte) if !b",]}:".contains(&byte) => {
                    let Some(end) = self.scan.end_of_element(&self.pending) else { return Ok(None) };
                    self.scan = Scan::default();
                    self.place = Place::Behind;
                    return Ok(Some(self.pending.split_to(end).freeze()));
                }
                (Place::End, _) => return Err(invalid("something stands behind the array")),
                (Place::Start, _) => return Err(invalid("the body is no array")),
                _ => return Err(invalid("the array is malformed")),
            };
            self.pending.advance(1);
        }
    }
}

impl Scan {
    /// Where the element ends; goes on from where it stopped. What stands in between need not be JSON: the element's
    /// reader sees that.
    fn end_of_element(&mut self, text: &[u8]) -> Option<usize> {
        while let Some(byte) = text.get(self.at).copied() {
            self.at += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Some(self.at);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'[' | b'{' => self.depth += 1,
                // Belongs to the array: the element was a number or a word.
                b',' | b']' if self.depth == 0 => return Some(self.at - 1),
                b']' | b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

fn invalid(text: &str) -> Error {
    Error::new(Reason::BodyInvalid, text)
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    async fn elements(text: &str, size: usize, limit: u64) -> Result<Vec<String>, &'static str> {
        let pieces: Vec<_> =
            text.as_bytes().chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut elements = Elements::of(stream::iter(pieces).boxed(), limit);
        let mut found = Vec::new();
        loop {
            match elements.next().await {
                Ok(Some(element)) => found.push(String::from_utf8(element.to_vec()).unwrap()),
                Ok(None) => return Ok(found),
                Err(error) => return Err(error.reason().as_str()),
            }
        }
    }

    #[tokio::test]
    async fn elements_come_whole_however_the_body_is_cut() {
        let text = " [ {\"a\":[1,{\"]\":\"}\"}]} , \"x,]\\\"\\\\\",1 ,null,[[]]\n] \n";
        let expected = ["{\"a\":[1,{\"]\":\"}\"}]}", "\"x,]\\\"\\\\\"", "1 ", "null", "[[]]"];
        for size in 1..=text.len() {
            assert_eq!(elements(text, size, 1000).await.unwrap(), expected, "pieces of {size}");
        }
        assert_eq!(elements("[]", 1, 2).await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_is_no_array_or_breaks_off_is_refused() {
        for (text, reason) in [
            ("", "body-incomplete"),
            ("[", "body-incomplete"),
            ("[1", "body-incomplete"),
            ("[1,", "body-incomplete"),
            ("[\"a]", "body-incomplete"),
            ("[{\"a\":1}", "body-incomplete"),
            ("{}", "body-invalid"),
            ("[,1]", "body-invalid"),
            ("[1,]", "body-invalid"),
            ("[1 2]x", "body-invalid"),
            ("[\"a\" \"b\"]", "body-invalid"),
            ("[1]]", "body-invalid"),
            ("[1]{}", "body-invalid"),
            ("[}]", "body-invalid"),
        ] {
            assert_eq!(elements(text, 3, 1000).await.unwrap_err(), reason, "{text}");
        }
        assert_eq!(elements("[1,2,3]", 2, 6).await.unwrap_err(), "bulk-too-large");
    }
}
