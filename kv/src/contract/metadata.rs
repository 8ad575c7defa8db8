//! Metadata: a JSON value of at most 1024 bytes beside an entry.

use std::{fmt, sync::Arc};

use serde_json::value::RawValue;

use crate::{Error, limits::MAX_METADATA_BYTES};

/// A JSON text of any kind but `null`, at most 1024 bytes, kept as it was written so that it reads back byte
/// for byte. It holds no control characters, so that it fits into the header `CF-KV-Metadata`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Metadata(Arc<str>);

impl Metadata {
    /// Takes the JSON text of a request. `null` is no metadata (contract §1.6).
    ///
    /// # Errors
    /// `metadata-too-long` (413) over 1024 bytes, `metadata-invalid` (400) for what is not JSON.
    pub fn parse(text: &str) -> Result<Option<Self>, Error> {
        if text.len() > MAX_METADATA_BYTES {
            return Err(Error::metadata_too_long(text.len()));
        }
        let raw: &RawValue = serde_json::from_str(text).map_err(|_| Error::metadata_invalid())?;
        // A lone surrogate or an overlong number passes as raw text but is no value: every reader must get one.
        let value: serde_json::Value =
            serde_json::from_str(raw.get()).map_err(|_| Error::metadata_invalid())?;
        if value.is_null() {
            return Ok(None);
        }
        // Line breaks and tabs stand only between tokens, where they are as good as spaces; DEL stands only
        // inside of strings. A header can carry neither.
        if !raw.get().bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Ok(Some(Self(raw.get().into())));
        }
        let text = raw.get().replace(['\n', '\r', '\t'], " ").replace('\u{7f}', "\\u007f");
        if text.len() > MAX_METADATA_BYTES {
            return Err(Error::metadata_too_long(text.len()));
        }
        Ok(Some(Self(text.into())))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_every_json_kind_is_kept_as_written() {
        for text in [r#"{"a": 1,  "b":"é🤓"}"#, "[1,2]", r#""s""#, "0", "1.50", "false", "{}"] {
            assert_eq!(Metadata::parse(text).unwrap().unwrap().as_str(), text);
        }
        assert_eq!(Metadata::parse("null").unwrap(), None);
        let kept = |text| Metadata::parse(text).unwrap().unwrap().as_str().to_owned();
        assert_eq!(kept("{\n\"a\":\t1.50}"), r#"{ "a": 1.50}"#);
        assert_eq!(kept("\"\u{7f}\""), r#""\u007f""#);
        let grown = format!("\"{}\"", "\u{7f}".repeat(1000));
        assert_eq!(Metadata::parse(&grown).unwrap_err().reason().as_str(), "metadata-too-long");
    }

    #[test]
    fn metadata_that_is_too_long_or_no_json_is_refused() {
        let long = format!("\"{}\"", "m".repeat(1023));
        assert_eq!(
            Metadata::parse(&long).unwrap_err().to_string(),
            "Metadata length of 1025 exceeds limit of 1024."
        );
        for bad in ["", "{", "nul", "a", r#""\ud800""#] {
            assert_eq!(Metadata::parse(bad).unwrap_err().reason().as_str(), "metadata-invalid", "{bad}");
        }
    }
}
