//! Keys and list prefixes. Parsed once where a request enters; inner code cannot hold an invalid one.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, limits::MAX_KEY_BYTES};

/// A key: 1 to 512 bytes of UTF-8, neither `.` nor `..` (contract §1.8). Ordered by its UTF-8 bytes, which
/// is the order of lists. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Takes a decoded key name.
    ///
    /// # Errors
    /// `key-empty`, `key-illegal` (400) and `key-too-long` (414), with the texts of contract §2.2.
    pub fn new(name: &str) -> Result<Self, Error> {
        match name {
            "" => Err(Error::key_empty()),
            "." | ".." => Err(Error::key_illegal(name)),
            _ if name.len() > MAX_KEY_BYTES => Err(Error::key_too_long(name.len())),
            _ => Ok(Self(name.into())),
        }
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Key::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The start of the keys that a list asks for: at most 512 bytes of UTF-8, and empty for all keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

impl Prefix {
    /// Takes a decoded prefix.
    ///
    /// # Errors
    /// `key-too-long` (414): the real thing uses the key's text for a prefix too (contract §2.2).
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        if text.len() > MAX_KEY_BYTES {
            return Err(Error::key_too_long(text.len()));
        }
        Ok(Self(text))
    }

    /// The prefix's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a list with this prefix contains the key.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        key.as_str().starts_with(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_512_bytes_and_is_no_dot_segment() {
        for good in ["a", "...", "./x", "\0", "a/b", &"k".repeat(512), "é"] {
            assert_eq!(Key::new(good).unwrap().as_str(), good);
        }
        for (bad, text) in [
            ("", "Key names must not be empty"),
            (".", "Illegal key name \".\". Please use a different name."),
            ("..", "Illegal key name \"..\". Please use a different name."),
            (&"k".repeat(513), "UTF-8 encoded length of 513 exceeds key length limit of 512."),
            (&"é".repeat(257), "UTF-8 encoded length of 514 exceeds key length limit of 512."),
        ] {
            assert_eq!(Key::new(bad).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn keys_are_ordered_by_utf8_bytes_and_not_by_utf16_units() {
        let supplementary = Key::new("\u{1F913}").unwrap();
        let private_use = Key::new("\u{F8FF}").unwrap();
        assert!(private_use < supplementary);
    }
}
