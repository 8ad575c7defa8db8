//! A JSON array as it streams: its elements, one at a time, each without the text of its value, which may be long
//! and comes beside it. What an element says is for its reader; here only its end is found.

use bytes::{Buf, Bytes};
use futures::{StreamExt, stream::BoxStream};

use super::{
    scan::Scan,
    spool::{Spool, Spooled},
    unescape::unescape,
};
use crate::{Error, Reason};

/// Most bytes of an element besides its value: a key and metadata that are all escapes, and plenty.
const MAX_TEXT_BYTES: usize = 1024 * 1024;
/// How much of a value's text is gathered before it is read.
const PART_BYTES: usize = 64 * 1024;

/// Where in the array the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before `[`.
    Start,
    /// Behind `[`.
    First,
    /// Inside of an element.
    Within,
    /// Behind an element.
    Behind,
    /// Behind a comma.
    Next,
    /// Behind `]`.
    End,
}

/// One element.
pub(super) struct Element {
    /// Its text, in which a member `value` that is a string is an empty one.
    pub(super) text: Bytes,
    /// What that string says.
    pub(super) value: Option<Spooled>,
}

/// Reads an array's elements.
pub(super) struct Elements {
    body: BoxStream<'static, Result<Bytes, Error>>,
    pending: Bytes,
    place: Place,
    scan: Scan,
    value: Spool,
    /// Bytes of the body that may still come.
    left: u64,
    limit: u64,
}

impl Elements {
    /// Those of a body of at most `limit` bytes.
    pub(super) fn of(body: BoxStream<'static, Result<Bytes, Error>>, limit: u64) -> Self {
        Self {
            body,
            pending: Bytes::new(),
            place: Place::Start,
            scan: Scan::default(),
            value: Spool::default(),
            left: limit,
            limit,
        }
    }

    /// The next element; `None` behind the last, when the body has ended as it should.
    ///
    /// # Errors
    /// `body-invalid` (400) for what is no array, `body-incomplete` (400) for one that breaks off,
    /// `bulk-too-large` and `value-too-long` (413), `internal` (500) where a long value cannot be set aside.
    pub(super) async fn next(&mut self) -> Result<Option<Element>, Error> {
        loop {
            if let Some(element) = self.advance().await? {
                return Ok(Some(element));
            }
            match self.body.next().await.transpose()? {
                Some(chunk) => {
                    let limit = self.limit;
                    let left = self.left.checked_sub(chunk.len() as u64);
                    self.left = left.ok_or_else(|| {
                        Error::new(Reason::BulkTooLarge, format!("the body has more than {limit} bytes"))
                    })?;
                    self.pending = chunk;
                }
                None if self.place == Place::End => return Ok(None),
                None => return Err(Error::new(Reason::BodyIncomplete, "the array has no end")),
            }
        }
    }

    /// Goes through what has come; an element, where one is whole. Else nothing of it is left over.
    async fn advance(&mut self) -> Result<Option<Element>, Error> {
        while !self.pending.is_empty() {
            if self.place == Place::Within {
                let end = self.scan.take(&self.pending);
                self.pending.advance(end.unwrap_or(self.pending.len()));
                if self.scan.text.len() > MAX_TEXT_BYTES {
                    let text = format!("an element has more than {MAX_TEXT_BYTES} bytes besides its value");
                    return Err(Error::new(Reason::BulkTooLarge, text));
                }
                self.keep_value(end.is_some()).await?;
                if end.is_some() {
                    self.place = Place::Behind;
                    return self.whole().await.map(Some);
                }
                continue;
            }
            let blank = self.pending.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.pending.advance(blank);
            let Some(first) = self.pending.first().copied() else { break };
            self.place = match (self.place, first) {
                (Place::Start, b'[') => Place::First,
                (Place::First | Place::Behind, b']') => Place::End,
                (Place::Behind, b',') => Place::Next,
                (Place::First | Place::Next, byte) if !b",]}:".contains(&byte) => {
                    self.place = Place::Within;
                    continue;
                }
                (Place::End, _) => return Err(invalid("something stands behind the array")),
                (Place::Start, _) => return Err(invalid("the body is no array")),
                _ => return Err(invalid("the array is malformed")),
            };
            self.pending.advance(1);
        }
        Ok(None)
    }

    /// Reads what has come of the value's text: where it is worth it, or the element has ended.
    async fn keep_value(&mut self, ended: bool) -> Result<(), Error> {
        let raw = &mut self.scan.value;
        if raw.is_empty() || (raw.len() < PART_BYTES && !ended) {
            return Ok(());
        }
        let text = unescape(raw, ended).map_err(|error| {
            Error::new(Reason::BodyInvalid, format!("the value of an element is no text: {error}"))
                .with_source(error)
        })?;
        self.value.write(&text).await
    }

    async fn whole(&mut self) -> Result<Element, Error> {
        let Scan { text, has_value, .. } = std::mem::take(&mut self.scan);
        let value = std::mem::take(&mut self.value);
        let value = if has_value { Some(value.finish().await?) } else { None };
        Ok(Element { text: text.freeze(), value })
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
                Ok(Some(Element { text, value })) => {
                    let value = match value {
                        Some(Spooled::Held(value)) => format!("={}", std::str::from_utf8(&value).unwrap()),
                        Some(Spooled::Filed { length, .. }) => format!("={length} bytes"),
                        None => String::new(),
                    };
                    found.push(String::from_utf8(text.to_vec()).unwrap() + &value);
                }
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
        let text = r#"[{"value":"\u00fc\ud83e\udd13]","key":"k"},{"value":""}]"#;
        let expected = ["{\"value\":\"\",\"key\":\"k\"}=\u{fc}\u{1f913}]", "{\"value\":\"\"}="];
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

    #[tokio::test]
    async fn a_long_value_is_set_aside_whatever_stands_behind_it() {
        let text =
            format!(r#"[{{"value":"{}","key":"k"}},{{"key":"l","value":"v"}}]"#, "\\n\u{fc}".repeat(200_000));
        let expected = [r#"{"value":"","key":"k"}=600000 bytes"#, r#"{"key":"l","value":""}=v"#];
        for size in [1000, 100_000, 1_000_000] {
            assert_eq!(elements(&text, size, 1_000_000).await.unwrap(), expected, "pieces of {size}");
        }
        let broken = text.replacen("\\n", "\n", 150_000);
        assert_eq!(elements(&broken, 1000, 1_000_000).await.unwrap_err(), "body-invalid");
        assert_eq!(elements(&text[..700_000], 1000, 1_000_000).await.unwrap_err(), "body-incomplete");
        let key = format!(r#"[{{"key":"{}"}}]"#, "k".repeat(MAX_TEXT_BYTES));
        assert_eq!(elements(&key, 1000, 2_000_000).await.unwrap_err(), "bulk-too-large");
    }
}
