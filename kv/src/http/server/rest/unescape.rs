//! A JSON string's characters as its text streams by. Where a piece may end is found here; what it says is left to
//! the ordinary parser, so that a long string means what a short one does.

use bytes::{Buf, BytesMut};

/// A character outside of the basic plane as two escapes, `\ud83e\udd13`: the longest that must stay together.
const PAIR_BYTES: usize = 12;
/// One escape with digits, `\u00fc`.
const ESCAPE_BYTES: usize = 6;

/// Takes from `raw`, a part of a string's text without its quotes, all characters that are whole; everything where
/// it is the `last` part. What is left belongs before the next part.
///
/// # Errors
/// The parser's, for what may not stand in a string.
pub(super) fn unescape(raw: &mut BytesMut, last: bool) -> Result<String, serde_json::Error> {
    let end = if last { raw.len() } else { whole(raw) };
    let mut quoted = Vec::with_capacity(end + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(&raw[..end]);
    quoted.push(b'"');
    raw.advance(end);
    serde_json::from_slice(&quoted)
}

/// How many bytes from the start are whole characters.
fn whole(raw: &[u8]) -> usize {
    let mut at = 0;
    while let Some(first) = raw.get(at) {
        let width = match first {
            b'\\' => escape(&raw[at..]),
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        if at + width > raw.len() {
            break;
        }
        at += width;
    }
    at
}

/// How long the escape is that a text begins with. One that is a high surrogate goes with what follows it.
fn escape(text: &[u8]) -> usize {
    match text {
        [_, b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B', ..] => PAIR_BYTES,
        // Too short to tell.
        [_, b'u'] | [_, b'u', _] => ESCAPE_BYTES,
        [_, b'u', ..] => ESCAPE_BYTES,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The string in parts that end at `cuts`, as an ordinary parser reads them one behind the other.
    fn in_parts(text: &[u8], size: usize) -> Result<String, serde_json::Error> {
        let (mut raw, mut read) = (BytesMut::new(), String::new());
        for part in text.chunks(size) {
            raw.extend_from_slice(part);
            read.push_str(&unescape(&mut raw, false)?);
            assert!(raw.len() < PAIR_BYTES, "{size}: {} bytes are kept back", raw.len());
        }
        read.push_str(&unescape(&mut raw, true)?);
        Ok(read)
    }

    #[test]
    fn a_string_says_the_same_in_parts_of_any_size() {
        let text = br#"plain \" \\ \\\\ \/\b\f\n\r\t \u00fc\u00FC \ud83e\udd13\uD83E\uDD13 \ue000"#;
        let text = [text, "\u{fc}\u{20ac}\u{1f913}\u{7f}".as_bytes(), b"\\\\"].concat();
        let quoted = [b"\"", text.as_slice(), b"\""].concat();
        let expected: String = serde_json::from_slice(&quoted).unwrap();
        for size in 1..=text.len() {
            assert_eq!(in_parts(&text, size).unwrap(), expected, "parts of {size}");
        }
    }

    #[test]
    fn what_may_not_stand_in_a_string_is_refused_in_parts_of_any_size() {
        let bad: [&[u8]; 9] = [
            b"a\nb",
            b"\\x",
            b"\\u12",
            b"\\u00zz",
            b"\\ud800 and nothing behind it",
            b"\\ud800\\ud800",
            b"\\udc00",
            b"\xff\xff",
            b"\xe2\x82",
        ];
        for text in bad {
            for size in 1..=text.len() {
                assert!(in_parts(text, size).is_err(), "{text:?} in parts of {size}");
            }
        }
    }
}
