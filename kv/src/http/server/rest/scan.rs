//! An element of an array as it streams by: where it ends, and the text of its member `value`, which is set apart
//! because it may be long. Pure. What stands in between need not be JSON: the element's reader sees that.

use std::borrow::Cow;

use bytes::BytesMut;

/// The member that is set apart.
const LONG_MEMBER: &str = "value";

/// How far an element has been looked at.
#[derive(Default)]
pub(super) struct Scan {
    /// The element as it was written, but for its value: of that only the quotes stand here.
    pub(super) text: BytesMut,
    /// What has come of the value's text, without its quotes, and was not taken yet.
    pub(super) value: BytesMut,
    /// Whether there was a value, and its end has been seen.
    pub(super) has_value: bool,
    depth: usize,
    expected: Expected,
    inside: Option<Inside>,
    escaped: bool,
}

/// What the next string of the object that the element is would be.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Name,
    /// The value of another member.
    Other,
    /// The value that is set apart.
    Value,
}

/// Which string is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// A member's name, whose quote stands here in the text.
    Name(usize),
    Other,
    Value,
}

impl Scan {
    /// Goes on through `input`; how much of it belongs to the element, where its end is there.
    pub(super) fn take(&mut self, input: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = input.get(at).copied() {
            if let Some(inside) = self.inside {
                at += self.string(inside, &input[at..]);
                if self.inside.is_none() && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            match byte {
                // Belongs to the array: the element was a number or a word.
                b',' | b']' if self.depth == 0 => return Some(at),
                b'"' => self.inside = Some(self.opened()),
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                b',' if self.depth == 1 => self.expected = Expected::Name,
                _ => {}
            }
            self.text.extend_from_slice(&[byte]);
            at += 1;
            if matches!(byte, b']' | b'}') && self.depth == 0 {
                return Some(at);
            }
        }
        None
    }

    fn opened(&self) -> Inside {
        match self.expected {
            _ if self.depth != 1 => Inside::Other,
            Expected::Name => Inside::Name(self.text.len()),
            Expected::Value => Inside::Value,
            Expected::Other => Inside::Other,
        }
    }

    /// Goes on through a string; how much of `input` belongs to it.
    fn string(&mut self, inside: Inside, input: &[u8]) -> usize {
        let mut end = 0;
        while let Some(byte) = input.get(end) {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => break,
                _ => {}
            }
            end += 1;
        }
        let kept = if inside == Inside::Value { &mut self.value } else { &mut self.text };
        kept.extend_from_slice(&input[..end]);
        if end == input.len() {
            return end;
        }
        self.text.extend_from_slice(b"\"");
        self.inside = None;
        self.has_value |= inside == Inside::Value;
        if self.depth == 1 {
            let is_name = |start| {
                let name = serde_json::from_slice::<Cow<'_, str>>(&self.text[start..]);
                name.is_ok_and(|name| name == LONG_MEMBER)
            };
            self.expected = match inside {
                Inside::Name(start) if is_name(start) => Expected::Value,
                _ => Expected::Other,
            };
        }
        end + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The element and its value, when it comes in pieces of `size`; and how much of `input` it was.
    fn scanned(input: &str, size: usize) -> (String, Option<String>, usize) {
        let (mut scan, mut seen) = (Scan::default(), 0);
        for piece in input.as_bytes().chunks(size) {
            match scan.take(piece) {
                None => seen += piece.len(),
                Some(end) => {
                    let text = |bytes: &BytesMut| String::from_utf8(bytes.to_vec()).unwrap();
                    return (text(&scan.text), scan.has_value.then(|| text(&scan.value)), seen + end);
                }
            }
        }
        panic!("{input} has no end")
    }

    #[test]
    fn the_value_is_set_apart_wherever_it_stands_and_however_its_name_is_written() {
        for (input, text, value) in [
            (r#"{"key":"k","value":"v"}"#, r#"{"key":"k","value":""}"#, Some("v")),
            (r#"{"value":"]}\"\\","key":"value"}"#, r#"{"value":"","key":"value"}"#, Some(r#"]}\"\\"#)),
            (r#"{ "v\u0061lue" : "v" }"#, r#"{ "v\u0061lue" : "" }"#, Some("v")),
            (
                r#"{"metadata":{"value":"m"},"value":""}"#,
                r#"{"metadata":{"value":"m"},"value":""}"#,
                Some(""),
            ),
            (r#"{"metadata":["value","m"]}"#, r#"{"metadata":["value","m"]}"#, None),
            (r#"{"key":"value"}"#, r#"{"key":"value"}"#, None),
            (r#"{"value":1,"key":"k"}"#, r#"{"value":1,"key":"k"}"#, None),
            (r#"["value","v"]"#, r#"["value","v"]"#, None),
            (r#""value""#, r#""value""#, None),
        ] {
            for size in 1..=input.len() {
                let (kept, apart, end) = scanned(&format!("{input},"), size);
                assert_eq!((kept.as_str(), apart.as_deref()), (text, value), "{input} in pieces of {size}");
                assert_eq!(end, input.len(), "{input} in pieces of {size}");
            }
        }
        assert_eq!(scanned("12,", 1), ("12".to_owned(), None, 2));
    }
}
