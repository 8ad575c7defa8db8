//! Folding: the many small segments of a root become few full ones in a manifest, so that the root, which every
//! commit writes, stays small. Records keep their versions, so folding copies lines and decodes nothing.

use tokio::time::Instant;

use crate::{
    commit::amendment::{Amendment, NewManifest},
    format::{Manifest, PART_BYTES, Root, SegmentRef},
    parts::writer::PartWriter,
    settings::FULL_SEGMENTS,
    state::damage::Lost,
    upkeep::{UpkeepError, View},
};

/// Segments in the root from which on they are folded (design §6).
pub(crate) const FOLD_SEGMENTS: usize = 8;
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
pub(crate) fn is_due(root: &Root, maintainer: bool) -> bool {
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

/// Which neighbours become one: small ones, up to 64 KiB together. A segment alone stays as it is, and so does one that is
/// lost and cannot be copied. Pure.
fn pack(segments: &[SegmentRef], is_lost: &dyn Fn(&SegmentRef) -> bool) -> Vec<Vec<SegmentRef>> {
    let is_small = |segment: &SegmentRef| segment.bytes < KEPT_BYTES && !is_lost(segment);
    let are_small = |segments: &[SegmentRef]| segments.iter().all(is_small);
    let bytes = |segments: &[SegmentRef]| segments.iter().map(|segment| segment.bytes).sum::<u64>();
    let mut packed: Vec<Vec<SegmentRef>> = Vec::new();
    for segment in segments {
        match packed.last_mut() {
            Some(small)
                if are_small(small)
                    && is_small(segment)
                    && bytes(small) + segment.bytes <= PART_BYTES as u64 =>
            {
                small.push(segment.clone());
            }
            _ => packed.push(vec![segment.clone()]),
        }
    }
    packed
}

/// Writes the folded segments and their manifest, and answers what the root shall become. Reads and creates
/// objects, swaps nothing. `base` is the manifest that the root of `snapshot` names.
///
/// # Errors
/// See [`UpkeepError`].
pub(crate) async fn prepare(
    part_writer: &PartWriter,
    snapshot: &dyn View,
    base: &Manifest,
) -> Result<Amendment, UpkeepError> {
    let root = snapshot.root();
    let is_lost = |segment: &SegmentRef| {
        snapshot.damage().iter().any(|damage| damage.lost == Lost::Segment(segment.clone()))
    };
    let taken = &root.segments[..taken(&root.segments)];
    let born = Instant::now();
    let mut drafts = Vec::new();
    let mut segments: Vec<SegmentRef> = base.segments.iter().cloned().collect();
    for packed in pack(taken, &is_lost) {
        let [first, _, ..] = &packed[..] else {
            segments.extend(packed);
            continue;
        };
        let (first, records) = (first.first, packed.iter().map(|segment| segment.records).sum());
        let keys = packed.iter().map(|segment| segment.keys.clone());
        let keys = keys.reduce(|one, other| Some(one?.join(other?))).flatten();
        let lines = part_writer.loader().lines_of(packed).await?.concat();
        let (segment, draft) = part_writer.segment(first, records, lines, keys);
        drafts.push(draft);
        segments.push(segment);
    }
    let pages = base.pages.iter().cloned().collect();
    let marks = (base.checkpoint, base.expired_before);
    let (reference, manifest, manifests) = part_writer.manifest(base, marks, pages, segments);
    drafts.extend(manifests);
    part_writer.create(drafts).await?;
    Ok(NewManifest::upon(root, reference, manifest, born))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Sha;

    /// Neighbours of so many records, of lines of so many bytes.
    fn chain(sizes: &[(u64, u64)]) -> Vec<SegmentRef> {
        let mut first = 1;
        let next = |&(records, line): &(u64, u64)| {
            let (segment, sha256) = (format!("log.{first}"), Sha::of(b""));
            let made = SegmentRef { segment, first, records, bytes: records * line, sha256, keys: None };
            first += records;
            made
        };
        sizes.iter().map(next).collect()
    }

    #[test]
    fn small_neighbours_become_full_segments_and_every_one_has_its_place() {
        let segments = chain(&[(30, 340); 13]);
        let packed = pack(&segments, &|_| false);
        assert_eq!(packed.concat(), segments);
        let counts: Vec<usize> = packed.iter().map(Vec::len).collect();
        assert_eq!(counts, [6, 6, 1], "six of them are 61,200 bytes, seven are over 64 KiB");
    }

    #[test]
    fn what_is_large_enough_is_taken_over_as_it_is() {
        let packed = pack(&chain(&[(5, 340), (60, 340), (5, 340), (5, 340), (190, 340)]), &|_| false);
        let joined = packed.iter().filter(|part| part.len() > 1).count();
        assert_eq!((packed.len(), joined), (4, 1), "{packed:?}");
    }

    #[test]
    fn a_lost_segment_is_copied_by_no_fold_and_its_neighbours_are() {
        let segments = chain(&[(5, 340); 7]);
        let packed = pack(&segments, &|segment| segment.first == 16);
        assert_eq!(packed.concat(), segments);
        assert_eq!(packed.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 3]);
    }

    #[test]
    fn a_small_rest_waits_for_the_next_fold() {
        assert_eq!(taken(&chain(&[(64, 340); 9])), 8);
        assert_eq!(taken(&chain(&[(1, 340); 9])), 7);
        assert_eq!(taken(&chain(&[(190, 340); 9])), 9);
    }
}
