//! The root that a judged batch makes, and the objects that must exist before it may name them. Nothing is
//! written here.

use std::{collections::HashMap, sync::Arc};

use super::{
    format::{Manifest, PART_BYTES, ROOT_BYTES, Record, Root, SegmentRef, Sha, Writer},
    judge::Judged,
    settings::{FULL_SEGMENTS, INLINE_ROOT_BYTES},
    workshop::Workshop,
};
use crate::store::{Content, Draft};

/// A root ready to be swapped in.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) root: Root,
    pub(super) content: Content,
    pub(super) manifest: Arc<Manifest>,
    /// What has to exist before the swap, besides the chunks of values.
    pub(super) drafts: Vec<Draft>,
    /// The segments among them, with their records.
    pub(super) segments: Vec<(SegmentRef, Vec<Record>)>,
}

/// Who commits, and which entry it leaves among the root's writers.
#[derive(Debug)]
pub(super) struct Signature<'a> {
    pub(super) process: &'a str,
    pub(super) batch: u64,
    /// The writer's clock, in ms.
    pub(super) at: u64,
    /// Writers that may be forgotten.
    pub(super) forgotten: &'a [String],
}

/// Segments that exist already, set aside or by an earlier attempt of the batch: their names, by the digest of
/// their lines. Neither need be written twice.
pub(super) type Created = HashMap<Sha, String>;

/// Makes the next root of `base`.
pub(super) fn next(
    workshop: &Workshop,
    base: &Root,
    judged: &Judged,
    signature: &Signature<'_>,
    created: &Created,
) -> Next {
    let mut root = judged.root.clone();
    root.version = base.version + judged.records.len() as u64;
    root.swap = base.swap + 1;
    sign(&mut root, signature);
    let mut next = Next {
        root,
        content: Content::default(),
        manifest: Arc::clone(&judged.manifest),
        drafts: Vec::new(),
        segments: Vec::new(),
    };
    let old: Vec<String> = base.records.iter().map(line).collect();
    let new: Vec<String> = judged.records.iter().map(line).collect();
    if let Some(segment) = set_aside(base, &old.concat(), created) {
        next.root.segments.push(segment.clone());
        next.segments.push((segment, base.records.clone()));
        if !inline(&mut next, judged.records.clone(), &new) {
            spill(workshop, base.version + 1, judged.records.clone(), new, created, &mut next);
        }
    } else {
        let records = [&base.records[..], &judged.records].concat();
        let lines = [old, new].concat();
        if !inline(&mut next, records.clone(), &lines) {
            spill(workshop, base.first_inline(), records, lines, created, &mut next);
        }
    }
    if next.root.segments.len() > FULL_SEGMENTS || next.content.size() > ROOT_BYTES as u64 {
        roll(workshop, &mut next);
    }
    next
}

/// The segment of the inline records of `base`, if it exists already.
fn set_aside(base: &Root, lines: &str, created: &Created) -> Option<SegmentRef> {
    let (sha256, records) = (Sha::of(lines.as_bytes()), base.records.len() as u64);
    let name = created.get(&sha256).filter(|_| records > 0)?;
    let (segment, first, bytes) = (name.clone(), base.first_inline(), lines.len() as u64);
    Some(SegmentRef { segment, first, records, bytes, sha256 })
}

/// Keeps the records in the root, unless it would become too large.
fn inline(next: &mut Next, records: Vec<Record>, lines: &[String]) -> bool {
    // Lines that alone exceed the bound need not be encoded with the root to see that.
    if lines.iter().map(String::len).sum::<usize>() >= INLINE_ROOT_BYTES {
        return false;
    }
    next.root.records = records;
    next.content = next.root.encode();
    next.content.size() <= INLINE_ROOT_BYTES as u64
}

/// A record as it stands in a segment.
pub(super) fn line(record: &Record) -> String {
    let mut line = record.to_line(None);
    line.push('\n');
    line
}

fn sign(root: &mut Root, signature: &Signature<'_>) {
    let Signature { process, batch, at, forgotten } = *signature;
    root.writers.retain(|process, _| !forgotten.contains(process));
    root.writers.insert(process.to_owned(), Writer { batch, version: root.version, at });
}

/// Moves all records out of the root, into segments of up to 64 KiB.
fn spill(
    workshop: &Workshop,
    mut first: u64,
    records: Vec<Record>,
    lines: Vec<String>,
    created: &Created,
    next: &mut Next,
) {
    next.root.records.clear();
    let mut runs: Vec<(String, Vec<Record>)> = Vec::new();
    for (line, record) in lines.into_iter().zip(records) {
        match runs.last_mut() {
            Some((run, records)) if run.len() + line.len() <= PART_BYTES => {
                run.push_str(&line);
                records.push(record);
            }
            _ => runs.push((line, vec![record])),
        }
    }
    for (lines, records) in runs {
        let (sha256, count) = (Sha::of(lines.as_bytes()), records.len() as u64);
        let segment = match created.get(&sha256) {
            Some(name) => {
                let (segment, bytes) = (name.clone(), lines.len() as u64);
                SegmentRef { segment, first, records: count, bytes, sha256 }
            }
            None => {
                let (segment, draft) = workshop.segment(first, count, lines);
                next.drafts.push(draft);
                segment
            }
        };
        first += count;
        next.root.segments.push(segment.clone());
        next.segments.push((segment, records));
    }
    next.content = next.root.encode();
}

/// Moves all references to segments out of the root, into a new manifest: what any replica does that meets a
/// full root, and what makes a bulk of any size visible. The segments are not merged.
fn roll(workshop: &Workshop, next: &mut Next) {
    let old = Arc::clone(&next.manifest);
    let segments = old.segments.iter().cloned().chain(std::mem::take(&mut next.root.segments)).collect();
    let pages = old.pages.iter().cloned().collect();
    let marks = (old.checkpoint, old.expired_before);
    let (reference, manifest, drafts) = workshop.manifest(&old, marks, pages, segments);
    next.root.manifest = Some(reference);
    next.manifest = Arc::new(manifest);
    next.drafts.extend(drafts);
    next.content = next.root.encode();
}
