//! Between which keys the records of a segment are: what becomes uncertain when the segment is lost. The bounds of the
//! segments that an object names stand in a data field beside its references (`beside.rs`, decision 13).

use std::collections::BTreeMap;

use nearkv::{Key, Prefix};
use serde::{Deserialize, Serialize};

use crate::format::{SegmentRef, Sha, beside, json};

/// The data field with the bounds, beside `root` and beside a manifest's `references`.
pub(super) const FIELD_BOUNDS: &str = "bounds";

/// Most bytes of a key that a bound keeps: the root is written with every commit and names up to 16 segments, and longer
/// keys that differ only behind so many bytes are rare.
const BOUND_BYTES: usize = 64;

/// The first and the last key of a segment's records, or the first bytes of them: a longer key than a bound keeps is
/// within the bounds all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBounds {
    first: String,
    last: String,
}

/// Bounds of an object's segments, by the version of the segment's first record.
pub type BoundsByFirst = BTreeMap<u64, KeyBounds>;

/// A line of the field.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    first: u64,
    from: String,
    to: String,
}

impl KeyBounds {
    /// The bounds of some keys; `None` if there are none.
    pub fn of<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Option<Self> {
        let mut keys = keys.into_iter();
        let one = keys.next()?;
        let (first, last) = keys.fold((one, one), |(first, last), key| (first.min(key), last.max(key)));
        Some(Self { first: cut(first.as_str()).to_owned(), last: cut(last.as_str()).to_owned() })
    }

    /// The bounds of two segments together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let first = self.first.min(other.first);
        // One that begins the other reaches further: all keys that begin so are within it.
        let last = if other.last.starts_with(&self.last) {
            self.last
        } else if self.last.starts_with(&other.last) {
            other.last
        } else {
            self.last.max(other.last)
        };
        Self { first, last }
    }

    /// Whether a key may be one of the segment's.
    #[must_use]
    pub fn covers(&self, key: &Key) -> bool {
        let key = key.as_str();
        self.first.as_str() <= key && (key <= self.last.as_str() || key.starts_with(&self.last))
    }

    /// Whether a key that begins with `prefix` may be one of the segment's.
    #[must_use]
    pub fn meets(&self, prefix: &Prefix) -> bool {
        let prefix = prefix.as_str();
        let ends_before = self.last.as_str() < prefix && !prefix.starts_with(&self.last);
        let begins_behind = self.first.as_str() > prefix && !self.first.starts_with(prefix);
        !ends_before && !begins_behind
    }

    /// Whether a key may be one of either segment.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> bool {
        let ends_before =
            |one: &Self, other: &Self| one.last < other.first && !other.first.starts_with(&one.last);
        !ends_before(self, other) && !ends_before(other, self)
    }

    /// Whether a key of `from..until` may be one of the segment's.
    #[must_use]
    pub fn touches(&self, from: Option<&Key>, until: Option<&Key>) -> bool {
        let ends_before = from
            .is_some_and(|from| self.last.as_str() < from.as_str() && !from.as_str().starts_with(&self.last));
        let begins_behind = until.is_some_and(|until| self.first.as_str() >= until.as_str());
        !ends_before && !begins_behind
    }
}

impl std::fmt::Display for KeyBounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "keys {:?} to {:?}", self.first, self.last)
    }
}

/// The line that says the bounds of a segment, if they are known.
pub(super) fn line_of(segment: &SegmentRef) -> Option<String> {
    let KeyBounds { first: from, last: to } = segment.keys.clone()?;
    let mut line = json::to_line(&Line { first: segment.first, from, to });
    line.push('\n');
    Some(line)
}

/// The field's text for `segments`, beside the content with the digest `of`; `None` if nothing is known of them.
pub(super) fn write<'a>(segments: impl IntoIterator<Item = &'a SegmentRef>, of: Sha) -> Option<String> {
    let lines: String = segments.into_iter().filter_map(line_of).collect();
    (!lines.is_empty()).then(|| beside::seal(FIELD_BOUNDS, of, &lines))
}

/// What the field says beside the content with the digest `of`: nothing, where it cannot be believed.
pub(super) fn read(text: Option<&String>, of: Sha) -> BoundsByFirst {
    let lines = text.and_then(|text| beside::open(FIELD_BOUNDS, of, text)).unwrap_or_default();
    let read = |line: &str| {
        let Line { first, from, to } = serde_json::from_str(line).ok()?;
        Some((first, KeyBounds { first: from, last: to }))
    };
    lines.lines().filter_map(read).collect()
}

fn cut(key: &str) -> &str {
    let end = (0..=BOUND_BYTES.min(key.len())).rev().find(|end| key.is_char_boundary(*end));
    &key[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    fn bounds(names: &[&str]) -> KeyBounds {
        KeyBounds::of(&names.iter().map(|name| key(name)).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn bounds_cover_their_keys_and_what_is_between_them() {
        let bounds = bounds(&["m", "c", "k"]);
        for (name, within) in [("b", false), ("c", true), ("d", true), ("m", true), ("n", false)] {
            assert_eq!(bounds.covers(&key(name)), within, "{name}");
        }
        for (prefix, met) in
            [("", true), ("b", false), ("c", true), ("c/1", true), ("ka", true), ("n", false)]
        {
            assert_eq!(bounds.meets(&Prefix::new(prefix).unwrap()), met, "{prefix:?}");
        }
        let overlap = |names: &[&str]| bounds.overlap(&self::bounds(names));
        assert!(overlap(&["a", "c"]) && overlap(&["m", "z"]) && overlap(&["d", "e"]) && overlap(&["a", "z"]));
        assert!(!overlap(&["a", "b"]) && !overlap(&["n", "z"]));
        assert!(bounds.touches(None, Some(&key("d"))) && !bounds.touches(None, Some(&key("c"))));
        assert!(bounds.touches(Some(&key("m")), None) && !bounds.touches(Some(&key("n")), None));
    }

    #[test]
    fn long_keys_are_cut_and_stay_within_their_bounds() {
        let long = |end: &str| format!("{}{end}", "é".repeat(100));
        let bounds = bounds(&[&long("a"), &long("z")]);
        assert!(bounds.covers(&key(&long("a"))) && bounds.covers(&key(&long("z"))));
        assert!(bounds.last.len() <= BOUND_BYTES && !bounds.covers(&key("ê")));
        let joined = bounds.clone().join(self::bounds(&[&"é".repeat(20)]));
        assert!(joined.covers(&key(&long("z"))) && joined.covers(&key(&"é".repeat(20))));
        assert_eq!(self::bounds(&[&"é".repeat(20)]).join(bounds), joined);
    }

    #[test]
    fn an_edited_field_says_nothing() {
        let segment = SegmentRef {
            segment: "s.kv.log.1".into(),
            first: 5,
            records: 2,
            bytes: 9,
            sha256: Sha::of(b""),
            keys: Some(bounds(&["a", "b"])),
        };
        let of = Sha::of(b"content");
        let text = write([&segment], of).unwrap();
        assert!(text.ends_with("{\"first\":5,\"from\":\"a\",\"to\":\"b\"}\n"), "{text}");
        assert_eq!(read(Some(&text), of), [(5, bounds(&["a", "b"]))].into());
        assert!(read(Some(&text.replace("\"a\"", "\"b\"")), of).is_empty());
        assert!(read(Some(&text), Sha::of(b"other")).is_empty() && read(None, of).is_empty());
        assert_eq!(write([&SegmentRef { keys: None, ..segment }], of), None);
    }
}
