//! The root that a judged batch makes, and the objects that must exist before it may name them. Nothing is
//! written here.

use std::{collections::HashMap, sync::Arc};

use nearkv::Key;

use crate::{
    commit::{
        attempt::Attempt,
        inline_lines::{Line, line},
        judge::Judged,
    },
    format::{KeyBounds, Manifest, PART_BYTES, ROOT_BYTES, Record, Root, SegmentRef, Sha, Writer},
    parts::writer::PartWriter,
    settings::{FULL_SEGMENTS, INLINE_ROOT_BYTES},
    store::{Content, Draft},
};

/// A root ready to be swapped in.
#[derive(Debug)]
pub(crate) struct DraftRoot {
    pub(crate) root: Root,
    pub(crate) content: Content,
    /// The lines of the root's inline records.
    pub(crate) lines: Vec<Line>,
    /// Bytes of the batch's own records.
    pub(crate) added: u64,
    pub(crate) manifest: Arc<Manifest>,
    /// Whether all references to segments were moved into a new manifest.
    pub(crate) rolled: bool,
    /// What has to exist before the swap, besides the chunks of values.
    pub(crate) drafts: Vec<Draft>,
    /// The segments among them.
    pub(crate) segments: Vec<SegmentRef>,
}

/// Who commits, and which entry it leaves among the root's writers.
#[derive(Debug)]
pub(crate) struct Signature<'a> {
    pub(crate) writer: &'a str,
    pub(crate) batch: u64,
    /// The writer's clock, in ms.
    pub(crate) at: u64,
    /// Writers that may be forgotten.
    pub(crate) forgotten: &'a [String],
}

/// Segments that an earlier attempt of the batch has created: their names, by the digest of their lines. A lost
/// swap need not write them twice.
pub(crate) type Created = HashMap<Sha, String>;

/// Makes the next root of `base`, whose inline records have these `lines`.
pub(crate) fn next(
    part_writer: &PartWriter,
    (base, mut lines): (&Root, Vec<Line>),
    judged: &Judged,
    signature: &Signature<'_>,
    attempt: &Attempt,
) -> DraftRoot {
    let mut root = judged.root.clone();
    root.version = base.version + judged.records.len() as u64;
    root.swap = base.swap + 1;
    sign(&mut root, signature);
    let new: Vec<Line> = judged.records.iter().map(line).collect();
    let mut next = DraftRoot {
        root,
        content: Content::default(),
        lines: Vec::new(),
        added: new.iter().map(|line| line.len() as u64).sum(),
        manifest: Arc::clone(&judged.manifest),
        rolled: false,
        drafts: Vec::new(),
        segments: Vec::new(),
    };
    let (mut first, mut left) = (base.first_inline(), &base.records[..]);
    if let Some(segment) = attempt.presealed.as_ref().filter(|segment| is_start(segment, base, &lines)) {
        let gone = segment.records as usize;
        (first, left) = (segment.last() + 1, &left[gone..]);
        lines.drain(..gone);
        next.root.segments.push(segment.clone());
    }
    lines.extend(new);
    if inline(&mut next, [left, &judged.records], &lines) {
        next.lines = lines;
    } else {
        let keys = left.iter().chain(&judged.records).map(Record::key);
        spill(part_writer, first, lines.iter().zip(keys), &attempt.created, &mut next);
    }
    if next.root.segments.len() > FULL_SEGMENTS || next.content.size() > ROOT_BYTES as u64 {
        roll(part_writer, &mut next);
    }
    next
}

/// Whether a segment holds the first of the inline records of `base`.
fn is_start(segment: &SegmentRef, base: &Root, lines: &[Line]) -> bool {
    let start = usize::try_from(segment.records).ok().and_then(|count| lines.get(..count));
    segment.first == base.first_inline()
        && start.is_some_and(|start| Sha::of(start.concat().as_bytes()) == segment.sha256)
}

/// Keeps the records in the root, unless it would become too large.
fn inline(next: &mut DraftRoot, records: [&[Record]; 2], lines: &[Line]) -> bool {
    // Lines that alone exceed the bound need not be encoded with the root to see that.
    if lines.iter().map(|line| line.len()).sum::<usize>() >= INLINE_ROOT_BYTES {
        return false;
    }
    next.root.records = records.concat();
    next.content = next.root.encode_with(lines.concat());
    next.content.size() <= INLINE_ROOT_BYTES as u64
}

fn sign(root: &mut Root, signature: &Signature<'_>) {
    let Signature { writer, batch, at, forgotten } = *signature;
    root.writers.retain(|other, _| !forgotten.contains(other));
    root.writers.insert(writer.to_owned(), Writer { batch, version: root.version, at });
}

/// Moves all records out of the root, into segments of up to 64 KiB.
fn spill<'a>(
    part_writer: &PartWriter,
    mut first: u64,
    lines: impl Iterator<Item = (&'a Line, &'a Key)>,
    created: &Created,
    next: &mut DraftRoot,
) {
    next.root.records.clear();
    let mut runs: Vec<(String, Vec<&Key>)> = Vec::new();
    for (line, key) in lines {
        match runs.last_mut() {
            Some((run, keys)) if run.len() + line.len() <= PART_BYTES => {
                run.push_str(line);
                keys.push(key);
            }
            _ => runs.push((line.to_string(), vec![key])),
        }
    }
    for (lines, keys) in runs {
        let (count, keys) = (keys.len() as u64, KeyBounds::of(keys));
        let sha256 = Sha::of(lines.as_bytes());
        let segment = match created.get(&sha256) {
            Some(name) => {
                let (segment, bytes) = (name.clone(), lines.len() as u64);
                SegmentRef { segment, first, records: count, bytes, sha256, keys }
            }
            None => {
                let (segment, draft) = part_writer.segment(first, count, lines, keys);
                next.drafts.push(draft);
                segment
            }
        };
        first += count;
        next.root.segments.push(segment.clone());
        next.segments.push(segment);
    }
    next.content = next.root.encode();
}

/// Moves all references to segments out of the root, into a new manifest: what any replica does that meets a
/// full root, and what makes a bulk of any size visible. The segments are not merged.
fn roll(part_writer: &PartWriter, next: &mut DraftRoot) {
    let old = Arc::clone(&next.manifest);
    let segments = old.segments.iter().cloned().chain(std::mem::take(&mut next.root.segments)).collect();
    let pages = old.pages.iter().cloned().collect();
    let marks = (old.checkpoint, old.expired_before);
    let (reference, manifest, drafts) = part_writer.manifest(&old, marks, pages, segments);
    next.rolled = true;
    next.root.manifest = Some(reference);
    next.manifest = Arc::new(manifest);
    next.drafts.extend(drafts);
    next.content = next.root.encode_with(next.lines.concat());
}
