//! The cursor of a list: opaque to clients, URL-safe, and valid after any deletion, because it says where
//! the next page starts and not which row was last.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{Error, Incarnation, Key};

/// "Go on behind this key", for one incarnation of a KvNamespace's data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The data it was made for; with any other it is 400 `Invalid cursor.`
    pub incarnation: Incarnation,
    /// The last key of the page before.
    pub after: Key,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{}{}", self.incarnation, self.after)))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || -> Option<Self> {
            let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            let (incarnation, after) = plain.split_at_checked(16)?;
            Some(Self { incarnation: incarnation.parse().ok()?, after: Key::new(after).ok()? })
        };
        parse().ok_or_else(Error::cursor_invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    #[test]
    fn a_cursor_reads_back_and_anything_else_is_invalid() {
        let cursor = Cursor {
            incarnation: Incarnation::mint(&Random::seeded(1)),
            after: Key::new("é/+ \0").unwrap(),
        };
        let text = cursor.to_string();
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
        for bad in ["", "x", "AAAA", "c+/="] {
            assert_eq!(bad.parse::<Cursor>().unwrap_err().to_string(), "Invalid cursor.");
        }
    }
}
