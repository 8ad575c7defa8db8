//! Folding: the many small segments of a root become few full ones in a manifest, so that the root, which every
//! commit writes, stays small. Records keep their versions, so folding copies lines and decodes nothing.

use tokio::time::Instant;

use super::{
    amendment::{Amendment, NewManifest},
    format::{Manifest, PART_BYTES, Root, SegmentRef},
    settings::FULL_SEGMENTS,
    upkeep::UpkeepError,
    workshop::Workshop,
};

/// Segments in the root from which on they are folded (design §6).
pub(super) const FOLD_SEGMENTS: usize = 8;
/// A segment from which on it is taken over as it is. Copying it would cost what writing it did, and its deletion as
/// much again, to save at most three objects in four.
const KEPT_BYTES: u64 = PART_BYTES as u64 / 4;
/// Segments at the end that together are smaller than this wait for the next fold, which fills them up.
const LEFT_BYTES: u64 = PART_BYTES as u64 / 2;
/// Most segments that wait so.
const LEFT_SEGMENTS: usize = 2;
/// Most segments that one fold takes: what fails has to be done again.
const MOST_SEGMENTS: usize = 32;

/// Whether the root names so many segments that they are to be folded.
#[must_use]
pub(super) fn is_due(root: &Root, maintainer: bool) -> bool {
    root.segments.len() > if maintainer { FOLD_SEGMENTS } else { FULL_SEGMENTS }
}

/// How many of the root's segments a fold takes: as many as it may, but not a small rest at the end.
fn taken(segments: &[SegmentRef]) -> usize {
    let mut left_bytes = 0;
    let fits = |segment: &&SegmentRef| {
        left_bytes += segment.bytes;
        left_bytes < LEFT_BYTES
    };
    let left = segments.iter().rev().take(LEFT_SEGMENTS).take_while(fits).count();
    (segments.len() - left).min(MOST_SEGMENTS)
}

/// What becomes of neighbouring segments.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Packed {
    /// Stays as it is.
    Kept(SegmentRef),
    /// Become one.
    Joined(Vec<SegmentRef>),
}

/// Joins small neighbours into segments of up to 64 KiB. Pure.
fn pack(segments: &[SegmentRef]) -> Vec<Packed> {
    let is_small = |segment: &SegmentRef| segment.bytes < KEPT_BYTES;
    let bytes = |segments: &[SegmentRef]| segments.iter().map(|segment| segment.bytes).sum::<u64>();
    let mut packed: Vec<Packed> = Vec::new();
    for segment in segments {
        match packed.last_mut() {
            Some(Packed::Joined(small))
                if is_small(segment) && bytes(small) + segment.bytes <= PART_BYTES as u64 =>
            {
                small.push(segment.clone());
            }
            _ if is_small(segment) => packed.push(Packed::Joined(vec![segment.clone()])),
            _ => packed.push(Packed::Kept(segment.clone())),
        }
    }
    for alone in &mut packed {
        if let Packed::Joined(small) = alone
            && let [segment] = &small[..]
        {
            *alone = Packed::Kept(segment.clone());
        }
    }
    packed
}

/// Writes the folded segments and their manifest, and answers what the root shall become. Reads and creates
/// objects, swaps nothing. `base` is the manifest that `root` names.
///
/// # Errors
/// See [`UpkeepError`].
pub(super) async fn prepare(
    workshop: &Workshop,
    root: &Root,
    base: &Manifest,
) -> Result<Amendment, UpkeepError> {
    let taken = &root.segments[..taken(&root.segments)];
    let born = Instant::now();
    let mut drafts = Vec::new();
    let mut segments: Vec<SegmentRef> = base.segments.iter().cloned().collect();
    for packed in pack(taken) {
        segments.push(match packed {
            Packed::Kept(segment) => segment,
            Packed::Joined(small) => {
                let first = small.first().map_or(0, |segment| segment.first);
                let records = small.iter().map(|segment| segment.records).sum();
                let lines = workshop.loader().lines_of(small).await?.concat();
                let (segment, draft) = workshop.segment(first, records, lines);
                drafts.push(draft);
                segment
            }
        });
    }
    let pages = base.pages.iter().cloned().collect();
    let marks = (base.checkpoint, base.expired_before);
    let (reference, manifest, manifests) = workshop.manifest(base, marks, pages, segments);
    drafts.extend(manifests);
    workshop.create(drafts).await?;
    Ok(NewManifest::upon(root, reference, manifest, born))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::format::Sha;

    /// Neighbours of so many records, of lines of so many bytes.
    fn chain(sizes: &[(u64, u64)]) -> Vec<SegmentRef> {
        let mut first = 1;
        let next = |&(records, line): &(u64, u64)| {
            let (segment, sha256) = (format!("log.{first}"), Sha::of(b""));
            let made = SegmentRef { segment, first, records, bytes: records * line, sha256 };
            first += records;
            made
        };
        sizes.iter().map(next).collect()
    }

    #[test]
    fn small_neighbours_become_full_segments_and_every_one_has_its_place() {
        let segments = chain(&[(30, 340); 13]);
        let packed = pack(&segments);
        let small = |packed: &Packed| match packed {
            Packed::Joined(small) => small.clone(),
            Packed::Kept(segment) => vec![segment.clone()],
        };
        assert_eq!(packed.iter().flat_map(small).collect::<Vec<_>>(), segments);
        let counts: Vec<usize> = packed.iter().map(|packed| small(packed).len()).collect();
        assert_eq!(counts, [6, 6, 1], "six of them are 61,200 bytes, seven are over 64 KiB");
        assert!(matches!(packed[2], Packed::Kept(_)), "a copy of one would be no gain");
    }

    #[test]
    fn what_is_large_enough_is_taken_over_as_it_is() {
        let packed = pack(&chain(&[(5, 340), (60, 340), (5, 340), (5, 340), (190, 340)]));
        let joined = packed.iter().filter(|part| matches!(part, Packed::Joined(_))).count();
        assert_eq!((packed.len(), joined), (4, 1), "{packed:?}");
    }

    #[test]
    fn a_small_rest_waits_for_the_next_fold() {
        assert_eq!(taken(&chain(&[(64, 340); 9])), 8);
        assert_eq!(taken(&chain(&[(1, 340); 9])), 7);
        assert_eq!(taken(&chain(&[(190, 340); 9])), 9);
    }
}
