//! What could not be read of a root's data, and which keys that makes uncertain. A replica keeps this with its snapshot
//! for as long as the root names the lost object, so that it reads nothing of it anew and everything else goes on.

use nearkv::{Key, Prefix};
use tokio::time::Instant;

use crate::format::{Manifest, ManifestRef, PageRef, Root, SegmentRef};

/// A part that is lost: missing, or not what its reference says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Which.
    pub(crate) lost: Lost,
    /// The object, its keys, and what is wrong with it.
    pub(crate) detail: String,
    /// What it said of its keys up to this version is not known; later records are whole. `None` where memory knows all
    /// that it said.
    pub(crate) through: Option<u64>,
    /// Since when this process knows of it.
    pub(crate) since: Instant,
}

/// The reference to a lost part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The top of the manifest, or one of its children: which pages and segments there are is not known.
    Manifest(ManifestRef),
    /// A page, with the first key behind its range.
    Page(PageRef, Option<Key>),
    /// A segment.
    Segment(SegmentRef),
}

impl Damage {
    /// The part's name.
    pub(crate) fn name(&self) -> &str {
        match &self.lost {
            Lost::Manifest(lost) => &lost.manifest,
            Lost::Page(lost, _) => &lost.page,
            Lost::Segment(lost) => &lost.segment,
        }
    }

    /// Whether it leaves open what `key` has, whose entry in memory is of this version (0 for none).
    pub(crate) fn obscures(&self, key: &Key, version: u64) -> bool {
        self.through.is_some_and(|through| version <= through) && self.covers(key)
    }

    /// Whether it leaves anything open.
    pub(crate) fn is_open(&self) -> bool {
        self.through.is_some()
    }

    /// Whether `key` may be one of the part's.
    pub(crate) fn covers(&self, key: &Key) -> bool {
        match &self.lost {
            Lost::Manifest(_) => true,
            Lost::Page(page, until) => {
                page.from.as_ref().is_none_or(|from| from <= key)
                    && until.as_ref().is_none_or(|until| key < until)
            }
            Lost::Segment(segment) => segment.keys.as_ref().is_none_or(|keys| keys.covers(key)),
        }
    }

    /// Whether a list with this prefix would have to show keys that it leaves open.
    pub(crate) fn meets(&self, prefix: &Prefix) -> bool {
        self.is_open()
            && match &self.lost {
                Lost::Manifest(_) => true,
                Lost::Page(page, until) => {
                    until.as_ref().is_none_or(|until| until.as_str() > prefix.as_str())
                        && page
                            .from
                            .as_ref()
                            .is_none_or(|from| from.as_str() < prefix.as_str() || prefix.covers(from))
                }
                Lost::Segment(segment) => segment.keys.as_ref().is_none_or(|keys| keys.meets(prefix)),
            }
    }

    /// Whether a key of `from..until` may be one of the part's.
    pub(crate) fn touches(&self, from: Option<&Key>, until: Option<&Key>) -> bool {
        match &self.lost {
            Lost::Manifest(_) => true,
            Lost::Page(page, end) => {
                let ends_before = end.as_ref().zip(from).is_some_and(|(end, from)| end <= from);
                let begins_behind =
                    page.from.as_ref().zip(until).is_some_and(|(begin, until)| begin >= until);
                !ends_before && !begins_behind
            }
            Lost::Segment(segment) => segment.keys.as_ref().is_none_or(|keys| keys.touches(from, until)),
        }
    }

    /// Whether a segment may have records of the part's keys.
    pub(crate) fn may_share_keys(&self, segment: &SegmentRef) -> bool {
        let Some(keys) = &segment.keys else { return true };
        match &self.lost {
            Lost::Manifest(_) => true,
            Lost::Page(page, until) => keys.touches(page.from.as_ref(), until.as_ref()),
            Lost::Segment(lost) => lost.keys.as_ref().is_none_or(|lost| lost.overlap(keys)),
        }
    }

    /// Whether the part is one of those that a root with this manifest reaches. If not, something else has taken its
    /// place.
    pub(crate) fn is_reached(&self, root: &Root, manifest: &Manifest) -> bool {
        match &self.lost {
            Lost::Manifest(lost) => root.manifest.as_ref() == Some(lost),
            Lost::Page(lost, _) => manifest.pages.iter().any(|page| page.page == lost.page),
            Lost::Segment(lost) => {
                let mut segments = root.segments.iter().chain(manifest.segments.iter());
                segments.any(|segment| segment.segment == lost.segment)
            }
        }
    }

    /// The most keys that the part says something of; `None` where that is not known.
    pub(crate) fn keys_at_most(&self) -> Option<u64> {
        match &self.lost {
            Lost::Manifest(_) => None,
            Lost::Page(page, _) => Some(page.entries),
            Lost::Segment(segment) => Some(segment.records),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{KeyBounds, Sha};

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    fn page(from: Option<&str>, until: Option<&str>) -> Damage {
        let page = PageRef {
            page: "p".into(),
            from: from.map(key),
            version: 7,
            entries: 3,
            bytes: 9,
            sha256: Sha::of(b""),
        };
        let lost = Lost::Page(page, until.map(key));
        Damage { lost, detail: String::new(), through: Some(7), since: Instant::now() }
    }

    fn segment(keys: Option<[&str; 2]>) -> Damage {
        let keys = keys.and_then(|keys| KeyBounds::of(&keys.map(key)));
        let (segment, sha256) = ("s".to_owned(), Sha::of(b""));
        let lost = Lost::Segment(SegmentRef { segment, first: 3, records: 5, bytes: 9, sha256, keys });
        Damage { lost, detail: String::new(), through: Some(7), since: Instant::now() }
    }

    #[test]
    fn a_lost_part_leaves_open_its_own_keys_up_to_its_version_and_no_others() {
        for damage in [page(Some("c"), Some("n")), segment(Some(["c", "m"]))] {
            assert!(damage.obscures(&key("d"), 0) && damage.obscures(&key("d"), 7));
            assert!(!damage.obscures(&key("d"), 8), "written later");
            assert!(!damage.obscures(&key("b"), 0) && !damage.obscures(&key("n"), 0), "beside it");
            let meets = |prefix: &str| damage.meets(&Prefix::new(prefix).unwrap());
            assert!(meets("") && meets("d") && meets("c") && !meets("b") && !meets("n"));
            assert!(damage.touches(None, Some(&key("d"))) && !damage.touches(None, Some(&key("c"))));
            assert!(damage.touches(Some(&key("d")), None) && !damage.touches(Some(&key("n")), None));
            let known = Damage { through: None, ..damage };
            assert!(!known.obscures(&key("d"), 0) && !known.meets(&Prefix::new("d").unwrap()));
        }
        assert!(segment(None).obscures(&key("zzz"), 0), "of which nothing is known");
    }
}
