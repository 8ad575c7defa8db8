//! Random histories: an incremental checkpoint holds what a full one holds, in pages within bounds.

use std::collections::BTreeMap;

use bytes::Bytes;
use nearkv::{Expiration, Random};

use super::*;
use crate::format::{Sha, StoredValue, decode_lines};

type Entries = BTreeMap<Key, (u64, Put)>;

/// Pages with their lines, as a store would hold them.
#[derive(Default)]
struct Book {
    pages: Vec<PageRef>,
    lines: BTreeMap<String, String>,
    written: usize,
}

impl Book {
    fn checkpoint(&mut self, entries: &Entries, version: u64, expired_before: u64) {
        let of = entries.values().map(|(version, put)| PageEntry { version: *version, put });
        let planned = plan(&self.pages, &LostPages::new(), of, expired_before);
        let untils: Vec<_> = planned.iter().skip(1).map(|page| page.from().cloned()).chain([None]).collect();
        let shelve = |(page, until): (PlannedPage, Option<Key>)| match page {
            PlannedPage::Kept(page) => page,
            PlannedPage::New(from) => {
                let is_within = |entry: &PageEntry<'_>| {
                    from.as_ref() <= Some(&entry.put.key)
                        && until.as_ref().is_none_or(|until| entry.put.key < *until)
                };
                let of = entries.values().map(|(version, put)| PageEntry { version: *version, put });
                let NewPage { entries, lines } = NewPage::of(of.filter(is_within), expired_before);
                assert!(lines.len() <= PART_BYTES, "a page of {} bytes", lines.len());
                self.written += 1;
                let name = format!("page.{}", self.written);
                let (bytes, sha256) = (lines.len() as u64, Sha::of(lines.as_bytes()));
                self.lines.insert(name.clone(), lines);
                PageRef { page: name, from, version, entries, bytes, sha256 }
            }
        };
        self.pages = planned.into_iter().zip(untils).map(shelve).collect();
    }

    fn read(&self) -> Entries {
        let mut entries = Entries::new();
        for (index, page) in self.pages.iter().enumerate() {
            let until = self.pages.get(index + 1).and_then(|next| next.from.clone());
            let decoded = decode_lines(&self.lines[&page.page], None).unwrap();
            assert_eq!(decoded.len() as u64, page.entries);
            for versioned in decoded {
                let Record::Put(put) = versioned.record else { panic!("a page holds entries") };
                assert!(page.from.as_ref() <= Some(&put.key), "below its range");
                assert!(until.as_ref().is_none_or(|until| put.key < *until), "beyond its range");
                assert!(entries.insert(put.key.clone(), (versioned.version, put)).is_none());
            }
        }
        entries
    }
}

fn put(random: &Random, key: u64, expiration: Option<u64>) -> Put {
    let value = "v".repeat(random.below(4000) as usize);
    Put {
        key: Key::new(&format!("key-{key:05}")).unwrap(),
        value: StoredValue::Inline(Bytes::from(value)),
        metadata: None,
        expiration: expiration.map(Expiration),
        declared: false,
    }
}

#[test]
fn an_incremental_checkpoint_holds_what_a_full_one_holds() {
    for seed in 0..60 {
        println!("seed {seed}");
        let random = Random::seeded(seed);
        let (mut entries, mut version, mut now) = (Entries::new(), 0, 1000);
        let mut book = Book::default();
        for _ in 0..8 {
            let (start, width) = (random.below(500), 1 + random.below(500));
            let mostly_deletes = random.below(3) == 0;
            for _ in 0..random.below(400) {
                version += 1;
                let key = start + random.below(width);
                if mostly_deletes || random.below(4) == 0 {
                    entries.remove(format!("key-{key:05}").as_str());
                } else {
                    let expiration = (random.below(5) == 0).then(|| now + random.below(60));
                    let put = put(&random, key, expiration);
                    entries.insert(put.key.clone(), (version, put));
                }
            }
            now += random.below(100);
            let before = now.saturating_sub(20);
            book.checkpoint(&entries, version, before);
            entries.retain(|_, (_, put)| put.expiration.is_none_or(|end| end.0 > before));
            assert_eq!(book.read(), entries);
            assert!(book.pages.first().is_none_or(|page| page.from.is_none()));
        }
    }
}

#[test]
fn one_changed_key_rewrites_one_page_of_many() {
    let random = Random::seeded(7);
    let mut entries = Entries::new();
    for key in 0..3000 {
        let put = put(&random, key, None);
        entries.insert(put.key.clone(), (key + 1, put));
    }
    let mut book = Book::default();
    book.checkpoint(&entries, 3000, 0);
    let pages = book.pages.len();
    let fill = book.pages.iter().map(|page| page.bytes).sum::<u64>() as usize / pages;
    assert!((TARGET_BYTES * 9 / 10..=PART_BYTES).contains(&fill), "pages of {fill} bytes");
    let changed = put(&random, 1500, None);
    entries.insert(changed.key.clone(), (3001, changed));
    book.checkpoint(&entries, 3001, 0);
    assert_eq!(book.written, pages + 1);
    book.checkpoint(&entries, 3001, 0);
    assert_eq!(book.written, pages + 1, "nothing changed");
    entries.remove("key-02000");
    book.checkpoint(&entries, 3002, 0);
    assert_eq!(book.written, pages + 2, "a deletion is a change");
    assert_eq!(book.read(), entries);
}

#[test]
fn deleting_most_of_a_range_merges_its_pages_and_deleting_all_leaves_none() {
    let random = Random::seeded(8);
    let mut entries = Entries::new();
    for key in 0..1000 {
        let put = put(&random, key, None);
        entries.insert(put.key.clone(), (key + 1, put));
    }
    let mut book = Book::default();
    book.checkpoint(&entries, 1000, 0);
    entries.retain(|_, (version, _)| *version % 50 == 0);
    book.checkpoint(&entries, 1000, 0);
    assert!(book.pages.len() <= 2, "{} pages for 20 entries", book.pages.len());
    entries.clear();
    book.checkpoint(&entries, 2000, 0);
    assert!(book.pages.is_empty());
}
