//! Raw request paths: which KvNamespace and which key they name, without normalising anything. `%2F` is never
//! a separator, `.`, `..` and `//` are nothing special, and a key is percent-decoded exactly once.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::names;
use crate::{Error, Key, Namespace};

/// Everything but the unreserved characters of RFC 3986 §2.3 is encoded, `/` included. So a key is always one
/// segment, and never `.` or `..`, which URL libraries would normalise away.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A key (or any text) as it stands in a path.
#[must_use]
pub fn encode(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, ENCODED)
}

/// What a request path names: a KvNamespace, and what stands behind its base.
#[derive(Debug)]
pub struct Location<'a> {
    /// The KvNamespace.
    pub namespace: Namespace,
    /// The raw rest of the path without its leading slash: empty for the base, otherwise the encoded key.
    pub rest: &'a str,
}

/// Finds the KvNamespace of a request. The header `Nearkv-Namespace` wins over the path.
///
/// # Errors
/// `namespace-malformed` (400) for a header or path that names no possible KvNamespace, or a repeated header;
/// `route-missing` (404) for a path outside the face.
pub fn locate<'a>(path: &'a str, headers: &HeaderMap) -> Result<Location<'a>, Error> {
    let mut given = headers.get_all(&names::NEARKV_NAMESPACE).iter();
    if let Some(header) = given.next() {
        let text = String::from_utf8_lossy(header.as_bytes());
        if given.next().is_some() {
            return Err(Error::namespace_malformed(&format!("{text} (repeated)")));
        }
        return Ok(Location { namespace: text.parse()?, rest: path.strip_prefix('/').unwrap_or(path) });
    }
    let inner = path.strip_prefix("/kv/").ok_or_else(Error::route_missing)?;
    let account = inner.find('/').ok_or_else(Error::route_missing)?;
    let end = inner[account + 1..].find('/').map_or(inner.len(), |slash| account + 1 + slash);
    let namespace = inner[..end].parse()?;
    Ok(Location { namespace, rest: inner.get(end + 1..).unwrap_or_default() })
}

/// The key of a raw path. `+` is a plus here.
///
/// # Errors
/// `key-undecodable` (400) for a broken escape or what is not UTF-8, and the refusals of [`Key::new`].
pub fn decode_key(raw: &str) -> Result<Key, Error> {
    Key::new(&decode(raw, false)?)
}

/// Decodes `%XX` once, and `+` to a space in a query.
///
/// # Errors
/// `key-undecodable` (400).
pub fn decode(raw: &str, plus_is_space: bool) -> Result<Cow<'_, str>, Error> {
    if !raw.bytes().any(|b| b == b'%' || (plus_is_space && b == b'+')) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut plain = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let high = bytes.next().and_then(hex);
                let low = bytes.next().and_then(hex);
                high.zip(low).map(|(high, low)| high << 4 | low).ok_or_else(Error::key_undecodable)?
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(plain).map(Cow::Owned).map_err(|_| Error::key_undecodable())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The first value of a query parameter as it stands in the raw query; `None` where it is not given.
#[must_use]
pub fn raw_parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| match pair.split_once('=') {
        Some((key, value)) => (key == name).then_some(value),
        None => (pair == name).then_some(""),
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn by_path(path: &str) -> Result<(String, String), String> {
        locate(path, &HeaderMap::new())
            .map(|at| (at.namespace.to_string(), at.rest.to_owned()))
            .map_err(|error| error.reason().as_str().to_owned())
    }

    #[test]
    fn a_path_names_a_namespace_and_leaves_the_rest_raw() {
        let at = |path: &str| by_path(path).unwrap();
        let base = ("a/b".to_owned(), String::new());
        assert_eq!(at("/kv/a/b"), base);
        assert_eq!(at("/kv/a/b/"), base);
        for rest in ["k", "k%2Fl", "//x", "../../c/d", ".", "bulk/get", "a+b", "k/"] {
            assert_eq!(at(&format!("/kv/a/b/{rest}")).1, rest);
        }
        for (path, reason) in [
            ("/", "route-missing"),
            ("/kv", "route-missing"),
            ("/kv/", "route-missing"),
            ("/kv/a", "route-missing"),
            ("/other/a/b", "route-missing"),
            ("/kv/a/", "namespace-malformed"),
            ("/kv//b/k", "namespace-malformed"),
            ("/kv/A/b/k", "namespace-malformed"),
            ("/kv/a%2Fb/c/k", "namespace-malformed"),
        ] {
            assert_eq!(by_path(path).unwrap_err(), reason, "{path}");
        }
    }

    #[test]
    fn the_header_wins_and_must_be_single_and_well_formed() {
        let mut headers = HeaderMap::new();
        headers.insert(&names::NEARKV_NAMESPACE, HeaderValue::from_static("c/d"));
        let at = locate("/kv/a/b/k", &headers).unwrap();
        assert_eq!((at.namespace.as_str(), at.rest), ("c/d", "kv/a/b/k"));
        headers.append(&names::NEARKV_NAMESPACE, HeaderValue::from_static("c/d"));
        assert_eq!(locate("/k", &headers).unwrap_err().reason().as_str(), "namespace-malformed");
        headers.insert(&names::NEARKV_NAMESPACE, HeaderValue::from_static("c"));
        assert_eq!(locate("/k", &headers).unwrap_err().reason().as_str(), "namespace-malformed");
    }

    #[test]
    fn a_key_is_decoded_exactly_once() {
        for (raw, key) in [
            ("a+b", "a+b"),
            ("%252F", "%2F"),
            ("a%2Fb", "a/b"),
            ("%C3%BC", "ü"),
            ("%00", "\0"),
            (".%2Fx", "./x"),
        ] {
            assert_eq!(decode_key(raw).unwrap().as_str(), key);
        }
        for raw in ["%", "%2", "%zz", "s%ED%A0%80", "%FF", "%+1"] {
            assert_eq!(decode_key(raw).unwrap_err().to_string(), "Could not URL-decode key name", "{raw}");
        }
        assert_eq!(decode("a+b%2B", true).unwrap(), "a b+");
    }

    #[test]
    fn an_encoded_key_is_one_segment_and_reads_back() {
        for key in ["a/b", "...", "./x", "../x", "a//b", "%2F", " +?#\"[]^|\\", "\0\u{7f}", "é🤓"] {
            let encoded = encode(key).to_string();
            assert!(!encoded.contains('/') && encoded != "." && encoded != "..", "{encoded}");
            assert_eq!(decode_key(&encoded).unwrap().as_str(), key);
        }
    }

    #[test]
    fn the_first_of_repeated_parameters_counts() {
        assert_eq!(raw_parameter("a=1&prefix=x%20y&prefix=z", "prefix"), Some("x%20y"));
        assert_eq!(raw_parameter("prefix", "prefix"), Some(""));
        assert_eq!(raw_parameter("xprefix=1", "prefix"), None);
    }
}
