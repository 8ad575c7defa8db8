//! When a checkpoint is due, and when there is room for one. Pure.

use crate::{
    format::{Manifest, PART_BYTES, Root, sizes::Sizes},
    limits::budget::{Budget, Room},
    state::expired::Expired,
};

/// A log is due when it is this many times as large as the pages: then a checkpoint, which writes every page where the
/// writes are random, adds at most half of what the log took, and a loading replica reads at most three times the live
/// bytes.
const LOG_PER_PAGES: u64 = 2;
/// The same where the budget is short: a checkpoint writes more, and the log takes half of the room.
const LOG_PER_PAGES_SHORT: u64 = 1;
/// What has been deleted or has ended is due when it is this part of the pages: a checkpoint writes at most as much as it
/// frees.
const PAGES_PER_GONE: u64 = 2;
/// Where not even all garbage makes enough room, a checkpoint is due when it sets free this part of the pages.
const PAGES_PER_FREED: u64 = 4;
/// Less than this is left alone, however small the pages are.
const BYTES_LEAST: u64 = PART_BYTES as u64;
/// The same where the budget is not ample, of what has been deleted or has ended: many KvNamespaces that each keep a little
/// fill it too. A checkpoint of small pages takes not much more.
const GONE_LEAST: u64 = 4 * 1024;
/// Chunks that have ended are left alone up to this number: a checkpoint writes a few objects itself.
const CHUNKS_LEAST: u64 = 16;

/// The entries that a checkpoint would find.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    /// All of them.
    pub(crate) keys: u64,
    /// Those among them that it would leave out.
    pub(crate) expired: Expired,
}

impl Held {
    /// Those that it would write.
    fn staying(&self) -> u64 {
        self.keys.saturating_sub(self.expired.keys)
    }
}

/// Whether the log has outgrown the pages, or enough could be freed, by less where there is less `room`.
#[must_use]
pub(crate) fn is_due(root: &Root, manifest: &Manifest, held: &Held, room: Room) -> bool {
    let Sizes { log, pages, .. } = Sizes::of(root, manifest);
    let deleted = pages.saturating_sub(of_entries(manifest, pages, held.staying()));
    let gone = deleted + held.expired.chunk_bytes;
    let outgrown = match room {
        Room::Ample => {
            log > (pages * LOG_PER_PAGES).max(BYTES_LEAST) || gone > (pages / PAGES_PER_GONE).max(BYTES_LEAST)
        }
        Room::Short => {
            log > (pages * LOG_PER_PAGES_SHORT).max(BYTES_LEAST)
                || gone > (pages / PAGES_PER_GONE).max(GONE_LEAST)
        }
        Room::Scarce => {
            let freed = log + gone;
            freed > (pages / PAGES_PER_FREED).max(BYTES_LEAST)
                || gone > (pages / PAGES_PER_FREED).max(GONE_LEAST)
        }
    };
    let chunks_most = (manifest.pages.len() as u64 / PAGES_PER_GONE).max(CHUNKS_LEAST);
    outgrown || held.expired.chunks > chunks_most
}

/// Whether there is room for the new pages. If not, so much is garbage that the collector has to come first, and to plan a
/// checkpoint would be for nothing.
#[must_use]
pub(crate) fn has_room(budget: &Budget, root: &Root, manifest: &Manifest, held: &Held) -> bool {
    let Sizes { log, pages, .. } = Sizes::of(root, manifest);
    let bytes = if pages == 0 { log } else { of_entries(manifest, pages, held.staying()) };
    budget.has_room_for(bytes, bytes.div_ceil(PART_BYTES as u64))
}

/// About how many bytes of pages so many entries take: as many each as those that are in the pages now, which take `bytes`.
fn of_entries(manifest: &Manifest, bytes: u64, keys: u64) -> u64 {
    let entries: u64 = manifest.pages.iter().map(|page| page.entries).sum();
    let bytes = u128::from(bytes) * u128::from(keys) / u128::from(entries.max(1));
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Random};

    use super::*;
    use crate::format::{PageRef, SegmentRef, Sha};

    fn held(keys: u64) -> Held {
        Held { keys, expired: Expired::default() }
    }

    #[test]
    fn a_checkpoint_is_due_when_the_log_outgrows_the_pages() {
        let mut root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
        let mut manifest = Manifest::default();
        assert!(!is_due(&root, &manifest, &held(4), Room::Scarce));
        let segment = |first| SegmentRef {
            segment: "log".into(),
            first,
            records: 1,
            bytes: BYTES_LEAST / 2 + 1,
            sha256: Sha::of(b""),
            keys: None,
        };
        root.segments = vec![segment(1)];
        assert!(!is_due(&root, &manifest, &held(4), Room::Scarce), "less than the least");
        root.segments.push(segment(2));
        assert!(is_due(&root, &manifest, &held(4), Room::Ample));
        let page = PageRef {
            page: "page".into(),
            from: None,
            version: 1,
            entries: 4,
            bytes: BYTES_LEAST,
            sha256: Sha::of(b""),
        };
        manifest.pages =
            manifest.pages.rebuilt(vec![page], &mut String::new, &str::to_owned, &mut Vec::new());
        assert!(is_due(&root, &manifest, &held(4), Room::Short), "more than the pages, and little room");
        assert!(!is_due(&root, &manifest, &held(4), Room::Ample), "less than twice the pages, and room");
        root.segments.extend([segment(3), segment(4)]);
        assert!(is_due(&root, &manifest, &held(4), Room::Ample), "more than twice the pages");
    }

    #[test]
    fn where_room_is_scarce_deletions_are_enough() {
        let root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
        let page = |n: u64| PageRef {
            page: format!("page.{n}"),
            from: (n > 0).then(|| nearkv::Key::new(&format!("k{n}")).unwrap()),
            version: 1,
            entries: 100,
            bytes: BYTES_LEAST,
            sha256: Sha::of(&[n as u8]),
        };
        let mut manifest = Manifest::default();
        manifest.pages = manifest.pages.rebuilt(
            (0..8).map(page).collect(),
            &mut String::new,
            &str::to_owned,
            &mut Vec::new(),
        );
        assert!(!is_due(&root, &manifest, &held(600), Room::Scarce), "a quarter");
        assert!(is_due(&root, &manifest, &held(590), Room::Scarce));
        assert!(!is_due(&root, &manifest, &held(900), Room::Scarce), "there are more than before");
    }

    #[test]
    fn what_could_be_freed_makes_a_checkpoint_due_however_small_the_log_is() {
        let root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
        let mut manifest = Manifest::default();
        let ended = |chunks, chunk_bytes| Held {
            keys: 1,
            expired: Expired { keys: 1, bytes: 0, chunks, chunk_bytes },
        };
        for (held, room, due) in [
            (ended(1, BYTES_LEAST), Room::Ample, false),
            (ended(1, BYTES_LEAST + 1), Room::Ample, true),
            (ended(1, GONE_LEAST), Room::Short, false),
            (ended(1, GONE_LEAST + 1), Room::Short, true),
            (ended(1, GONE_LEAST + 1), Room::Scarce, true),
            (ended(CHUNKS_LEAST, 0), Room::Ample, false),
            (ended(CHUNKS_LEAST + 1, 0), Room::Ample, true),
        ] {
            assert_eq!(is_due(&root, &manifest, &held, room), due, "{held:?} {room:?}");
        }
        let page = PageRef {
            page: "page".into(),
            from: None,
            version: 1,
            entries: 100,
            bytes: BYTES_LEAST * 4,
            sha256: Sha::of(b""),
        };
        manifest.pages =
            manifest.pages.rebuilt(vec![page], &mut String::new, &str::to_owned, &mut Vec::new());
        let short = |ended| Held { keys: 100, expired: Expired { keys: ended, ..Expired::default() } };
        assert!(!is_due(&root, &manifest, &short(50), Room::Ample), "half of the pages");
        assert!(is_due(&root, &manifest, &short(51), Room::Ample), "more than half of them");
    }
}
