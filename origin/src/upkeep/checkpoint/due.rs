//! When a checkpoint is due, and when there is room for one. Pure.

use crate::{
    format::{Manifest, PART_BYTES, Root, sizes::Sizes},
    limits::budget::{Budget, Room},
};

/// A log is due when it is this many times as large as the pages: then a checkpoint, which writes every page where the
/// writes are random, adds at most half of what the log took, and a loading replica reads at most three times the live
/// bytes.
const LOG_PER_PAGES: u64 = 2;
/// The same where the budget is short: a checkpoint writes more, and the log takes half of the room.
const LOG_PER_PAGES_SHORT: u64 = 1;
/// Where not even all garbage makes enough room, a checkpoint is due when it sets free this part of the pages.
const PAGES_PER_FREED: u64 = 4;
/// Less than this is left alone, however small the pages are.
const BYTES_LEAST: u64 = PART_BYTES as u64;

/// Whether the log has outgrown the pages, by less where there is less `room`. `keys` are there now.
#[must_use]
pub(crate) fn is_due(root: &Root, manifest: &Manifest, keys: u64, room: Room) -> bool {
    let Sizes { log, pages, .. } = Sizes::of(root, manifest);
    let (outgrown, most) = match room {
        Room::Ample => (log, pages * LOG_PER_PAGES),
        Room::Short => (log, pages * LOG_PER_PAGES_SHORT),
        Room::Scarce => {
            let deleted = pages.saturating_sub(of_entries(manifest, pages, keys));
            (log + deleted, pages / PAGES_PER_FREED)
        }
    };
    outgrown > most.max(BYTES_LEAST)
}

/// Whether there is room for the new pages. If not, so much is garbage that the collector has to come first, and to plan a
/// checkpoint would be for nothing.
#[must_use]
pub(crate) fn has_room(budget: &Budget, root: &Root, manifest: &Manifest, keys: u64) -> bool {
    let Sizes { log, pages, .. } = Sizes::of(root, manifest);
    let bytes = if pages == 0 { log } else { of_entries(manifest, pages, keys) };
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

    #[test]
    fn a_checkpoint_is_due_when_the_log_outgrows_the_pages() {
        let mut root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
        let mut manifest = Manifest::default();
        assert!(!is_due(&root, &manifest, 4, Room::Scarce));
        let segment = |first| SegmentRef {
            segment: "log".into(),
            first,
            records: 1,
            bytes: BYTES_LEAST / 2 + 1,
            sha256: Sha::of(b""),
            keys: None,
        };
        root.segments = vec![segment(1)];
        assert!(!is_due(&root, &manifest, 4, Room::Scarce), "less than the least");
        root.segments.push(segment(2));
        assert!(is_due(&root, &manifest, 4, Room::Ample));
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
        assert!(is_due(&root, &manifest, 4, Room::Short), "more than the pages, and little room");
        assert!(!is_due(&root, &manifest, 4, Room::Ample), "less than twice the pages, and room");
        root.segments.extend([segment(3), segment(4)]);
        assert!(is_due(&root, &manifest, 4, Room::Ample), "more than twice the pages");
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
        assert!(!is_due(&root, &manifest, 600, Room::Scarce), "a quarter");
        assert!(is_due(&root, &manifest, 590, Room::Scarce));
        assert!(!is_due(&root, &manifest, 0, Room::Short), "it is not needed");
        assert!(!is_due(&root, &manifest, 900, Room::Scarce), "there are more than before");
    }
}
