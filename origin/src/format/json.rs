//! JSON lines of printable characters. Server-side apply passes every object through a YAML reader, also where
//! it was sent as JSON, and YAML has no place for some characters that JSON leaves as they are.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// A value as one line of JSON, without its line break. For structs of strings, numbers and raw JSON, which
/// have no way to fail; raw JSON (metadata) stays as it was written.
pub(crate) fn to_line(value: &impl Serialize) -> String {
    let mut line = Vec::new();
    // Writing into memory does not fail either; an empty line would fail to decode at once.
    match value.serialize(&mut Serializer::with_formatter(&mut line, Printable)) {
        Ok(()) => String::from_utf8(line).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// Whether a character is outside of YAML's printable set (YAML 1.1 §4.1.1) or a line break to YAML alone (§4.1.4),
/// and JSON does not escape it anyway.
pub(crate) fn is_unprintable(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unprintable(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_cannot_print_is_escaped_and_reads_back() {
        let text = "a\u{7f}\u{85}\u{9f}\u{a0}é\u{2028}\u{feff}🤓\u{ffff}\0z";
        let line = to_line(&text);
        assert_eq!(line, "\"a\\u007f\\u0085\\u009f\u{a0}é\\u2028\\ufeff🤓\\uffff\\u0000z\"");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
    }
}
