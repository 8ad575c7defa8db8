//! Manifests of every size read back, and what a newer one writes of an older one: next to nothing.

use std::collections::BTreeMap;

use nearkv::Key;

use super::{list::TOP_BYTES, *};
use crate::format::{PART_BYTES, Sha};

fn page(n: usize) -> PageRef {
    let from = (n > 0).then(|| Key::new(&format!("key-{n:06}")).unwrap());
    PageRef {
        page: format!("s.kv.page.{n:032x}"),
        from,
        version: 1_900_000,
        entries: 9,
        bytes: 49_152,
        sha256: Sha::of(&[n as u8]),
    }
}

fn segment(n: u64) -> SegmentRef {
    let sha256 = Sha::of(&n.to_be_bytes());
    SegmentRef {
        segment: format!("s.kv.log.{n:032x}"),
        first: 1 + n * 190,
        records: 190,
        bytes: 65_000,
        sha256,
        keys: None,
    }
}

/// Children by name: what a store would hold.
#[derive(Default)]
struct Shelf {
    lines: BTreeMap<String, String>,
    minted: u64,
}

impl Shelf {
    fn write(&mut self, old: &Manifest, pages: Vec<PageRef>, segments: Vec<SegmentRef>) -> Manifest {
        let mut written = Vec::new();
        let minted = &mut self.minted;
        let mut mint = || {
            *minted += 1;
            minted.to_string()
        };
        let name = |nonce: &str| format!("m.{nonce}");
        let pages = old.pages.rebuilt(pages, &mut mint, &name, &mut written);
        let segments = old.segments.rebuilt(segments, &mut mint, &name, &mut written);
        for ManifestObject { nonce, lines, segments: _ } in written {
            assert!(lines.len() <= PART_BYTES);
            self.lines.insert(name(&nonce), lines);
        }
        Manifest { checkpoint: 7, expired_before: 3, pages, segments }
    }

    fn read(&self, lines: &str) -> Manifest {
        let top = Top::decode(lines).unwrap();
        let children: Vec<String> = top.children().map(|child| self.lines[&child.manifest].clone()).collect();
        top.with(&children).unwrap()
    }
}

#[test]
fn a_manifest_of_any_size_reads_back_in_objects_of_64_kib() {
    for pages in [0, 1, 2, 70, 80, 300, 600, 2000] {
        for segments in [0, 1, 100, 400] {
            let mut shelf = Shelf::default();
            let manifest = shelf.write(
                &Manifest::default(),
                (0..pages).map(page).collect(),
                (0..segments).map(segment).collect(),
            );
            let lines = manifest.top_lines();
            assert!(lines.len() <= PART_BYTES, "{}", lines.len());
            assert_eq!(shelf.read(&lines), manifest);
            assert_eq!(manifest.pages.len(), pages);
            assert_eq!(manifest.segments.len() as u64, segments);
        }
    }
}

#[test]
fn adding_segments_one_by_one_never_rewrites_a_page_reference_or_an_old_child() {
    let mut shelf = Shelf::default();
    let pages: Vec<_> = (0..600).map(page).collect();
    let mut manifest = shelf.write(&Manifest::default(), pages.clone(), Vec::new());
    let after_pages = shelf.minted;
    for n in 1..=400 {
        let children: Vec<_> = manifest.children().cloned().collect();
        manifest = shelf.write(&manifest, pages.clone(), (0..n).map(segment).collect());
        let now: Vec<_> = manifest.children().cloned().collect();
        assert!(children.iter().all(|child| now.contains(child)), "at {n}");
        assert!(manifest.top_lines().len() < 2 * TOP_BYTES);
    }
    assert!(shelf.minted - after_pages <= 8, "{} children for 400 segments", shelf.minted);
    assert_eq!(manifest.through(), segment(399).last());
}

#[test]
fn dropping_the_front_keeps_the_children_behind_it() {
    let mut shelf = Shelf::default();
    let mut manifest = Manifest::default();
    for n in 1..=400 {
        manifest = shelf.write(&manifest, Vec::new(), (0..n).map(segment).collect());
    }
    let before = shelf.minted;
    let shorter = shelf.write(&manifest, Vec::new(), (50..400).map(segment).collect());
    assert!(shelf.minted - before <= 1);
    assert_eq!(
        shorter.segments.iter().cloned().collect::<Vec<_>>(),
        (50..400).map(segment).collect::<Vec<_>>()
    );
}

#[test]
fn a_damaged_line_and_a_newer_format_are_named() {
    assert_eq!(
        Top::decode("{\"format\":2,\"checkpoint\":0,\"expiredBefore\":0}\n"),
        Err(FormatError::Unknown(2))
    );
    let lines = format!("{}{{\"page\":1}}\n", Manifest::default().top_lines());
    assert!(matches!(Top::decode(&lines), Err(FormatError::Line { line: 2, .. })));
}
