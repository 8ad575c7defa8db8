//! Folding: the many small segments of a root become few full ones in a manifest, so that the root, which every
//! commit writes, stays small. Records keep their versions, so folding copies lines and decodes nothing.

use tokio::time::Instant;

use super::{
    amendment::{Amendment, NewManifest},
    format::{Manifest, PART_BYTES, Root, SegmentRef},
    upkeep::UpkeepError,
    workshop::Workshop,
};

/// Segments in the root from which on they are folded (design §6).
pub(super) const FOLD_SEGMENTS: usize = 8;
/// A segment at least this full is taken over as it is: copying it would cost as much as writing it did, and save one
/// object at most.
const FULL_BYTES: u64 = PART_BYTES as u64 / 2;
/// Segments at the end that together are smaller than this wait for the next fold, which fills them up.
const LEFT_BYTES: u64 = PART_BYTES as u64 / 2;
/// Most segments that wait so.
const LEFT_SEGMENTS: usize = 2;

/// The same for a replica that is not the maintainer: it helps where the maintainer does not get to it.
pub(super) const FULL_SEGMENTS: usize = 16;

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

/// A segment of the new manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Packed {
    Kept(SegmentRef),
    New { first: u64, records: u64, lines: String },
}

/// Packs neighbouring segments into segments of up to 64 KiB. Pure.
fn pack(segments: Vec<(SegmentRef, String)>) -> Vec<Packed> {
    let mut packed: Vec<Packed> = Vec::new();
    for (segment, lines) in segments {
        let room = match packed.last() {
            Some(Packed::New { lines, .. }) => PART_BYTES - lines.len(),
            _ => 0,
        };
        if segment.bytes >= FULL_BYTES && room < PART_BYTES / 4 {
            packed.push(Packed::Kept(segment));
            continue;
        }
        for (version, line) in (segment.first..).zip(lines.split_inclusive('\n')) {
            match packed.last_mut() {
                Some(Packed::New { records, lines, .. }) if lines.len() + line.len() <= PART_BYTES => {
                    *records += 1;
                    lines.push_str(line);
                }
                _ => packed.push(Packed::New { first: version, records: 1, lines: line.to_owned() }),
            }
        }
    }
    packed
}

/// Writes the folded segments and their manifest, and answers what the root shall become. Reads and creates objects, swaps nothing. `base` is the manifest that `root` names.
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
    let lines = workshop.loader().lines_of(taken.to_vec()).await?;
    let mut drafts = Vec::new();
    let mut segments: Vec<SegmentRef> = base.segments.iter().cloned().collect();
    for packed in pack(taken.iter().cloned().zip(lines).collect()) {
        segments.push(match packed {
            Packed::Kept(segment) => segment,
            Packed::New { first, records, lines } => {
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

    fn segment(first: u64, records: u64, line: usize) -> (SegmentRef, String) {
        let lines: String = (0..records).map(|n| format!("{n:>line$}\n", line = line - 1)).collect();
        let (bytes, sha256) = (lines.len() as u64, Sha::of(lines.as_bytes()));
        (SegmentRef { segment: format!("log.{first}"), first, records, bytes, sha256 }, lines)
    }

    fn chain(sizes: &[(u64, usize)]) -> Vec<(SegmentRef, String)> {
        let mut first = 1;
        let next = |(records, line): &(u64, usize)| {
            let made = segment(first, *records, *line);
            first += records;
            made
        };
        sizes.iter().map(next).collect()
    }

    #[test]
    fn every_line_keeps_its_version_and_small_segments_become_full_ones() {
        let segments = chain(&[(64, 340); 9]);
        let all: String = segments.iter().map(|(_, lines)| lines.as_str()).collect();
        let packed = pack(segments);
        let mut version = 1;
        let mut joined = String::new();
        for part in &packed {
            let Packed::New { first, records, lines } = part else { panic!("none is full") };
            assert_eq!((*first, *records), (version, lines.lines().count() as u64));
            assert!(lines.len() <= PART_BYTES);
            version += records;
            joined.push_str(lines);
        }
        assert_eq!(joined, all);
        assert_eq!(packed.len(), 3);
    }

    #[test]
    fn a_full_segment_is_taken_over_as_it_is() {
        let packed = pack(chain(&[(190, 340), (180, 340), (5, 340)]));
        let kept = packed.iter().filter(|part| matches!(part, Packed::Kept(_))).count();
        assert_eq!((packed.len(), kept), (3, 2));
    }

    #[test]
    fn a_small_rest_waits_for_the_next_fold() {
        let refs = |sizes: &[(u64, usize)]| -> Vec<SegmentRef> {
            chain(sizes).into_iter().map(|(segment, _)| segment).collect()
        };
        assert_eq!(taken(&refs(&[(64, 340); 9])), 8);
        assert_eq!(taken(&refs(&[(1, 340); 9])), 7);
        assert_eq!(taken(&refs(&[(190, 340); 9])), 9);
    }
}
