//! What is missing or damaged is named with its keys, and a failing store is not taken for damage.

use bytes::Bytes;
use nearkv::Random;

use super::*;
use crate::{
    format::{Drafter, StoredValue, encode_lines},
    limits::budget::{Budget, Purpose},
    parts::{pages::NewPage, writer::PartWriter},
    store::simulated::{Action, Fate, Simulated},
};

struct Shelf {
    store: Simulated,
    part_writer: PartWriter,
    pages: Vec<(PageRef, Option<Key>)>,
    segment: SegmentRef,
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

async fn shelf() -> Shelf {
    let store = Simulated::new(1);
    let part_writer = PartWriter {
        store: Arc::new(store.clone()),
        random: Arc::new(Random::seeded(1)),
        budget: Arc::new(Budget::default()),
        purpose: Purpose::Relief,
        drafter: Drafter { namespace: "a/b".parse().unwrap(), owner: None },
    };
    let put = |name: &str| {
        Record::Put(Put {
            key: key(name),
            value: StoredValue::Inline(Bytes::from_static(b"v")),
            metadata: None,
            expiration: None,
            declared: false,
        })
    };
    let page = |from: Option<&str>, name: &str| {
        let lines = format!("{}\n", put(name).to_line(Some(7)));
        part_writer.page(7, from.map(key), NewPage { entries: 1, lines })
    };
    let pages = [page(None, "a"), page(Some("m"), "n")];
    let (segment, draft) = part_writer.segment(8, 1, encode_lines([&put("z")]), None);
    let drafts = pages.iter().map(|(_, draft)| draft.clone()).chain([draft]);
    part_writer.create(drafts.collect()).await.unwrap();
    let pages = pages.into_iter().map(|(page, _)| page).zip([Some(key("m")), None]).collect();
    Shelf { store, part_writer, pages, segment }
}

#[tokio::test(start_paused = true)]
async fn a_missing_page_and_a_damaged_segment_are_named_with_what_they_hold() {
    let Shelf { store, part_writer, pages, segment } = shelf().await;
    let loader = part_writer.loader();
    let (page, until) = &pages[0];
    assert_eq!(loader.page(page, until.as_ref()).await.unwrap()[0].1.key.as_str(), "a");
    let object = ObjectName::new("a", &pages[0].0.page);
    store.world().remove(&object).unwrap();
    let error = loader.page(page, until.as_ref()).await.unwrap_err();
    assert!(error.is_damage());
    assert_eq!(error.to_string(), format!("{object} (keys before \"m\") is missing"));
    let object = ObjectName::new("a", &segment.segment);
    store.world().tamper(&object, |object| object.content.text.values_mut().for_each(|text| text.push(' ')));
    let error = loader.segment(&segment).await.unwrap_err();
    assert!(error.is_damage());
    assert_eq!(error.to_string(), format!("{object} (records 8 to 8) is damaged"));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_now_and_then_is_repeated_and_a_store_that_is_away_is_no_damage() {
    let Shelf { store, part_writer, pages, .. } = shelf().await;
    for fate in [Fate::FailedBefore, Fate::Throttled, Fate::Lost] {
        store.order(Action::Get, fate);
        assert!(part_writer.loader().page(&pages[0].0, None).await.is_ok(), "{fate:?}");
    }
    for _ in 0..20 {
        store.order(Action::Get, Fate::FailedBefore);
    }
    let error = part_writer.loader().page(&pages[0].0, None).await.unwrap_err();
    assert!(!error.is_damage(), "{error}");
}

#[test]
fn memory_holds_what_a_page_of_both_checkpoints_says_and_nothing_of_a_page_without_entries() {
    let page = |from: Option<&str>, version, entries, sha: &str| PageRef {
        page: format!("page.{sha}"),
        from: from.map(key),
        version,
        entries,
        bytes: 100 * entries,
        sha256: Sha::of(sha.as_bytes()),
    };
    let manifest = |pages: Vec<PageRef>| Manifest {
        pages: Manifest::default().pages.rebuilt(pages, &mut String::new, &str::to_owned, &mut Vec::new()),
        ..Manifest::default()
    };
    let old = manifest(vec![page(None, 7, 2, "a"), page(Some("m"), 7, 0, "")]);
    let (first, last) = (page(None, 7, 2, "a"), page(Some("t"), 9, 0, ""));
    let new = manifest(vec![first, page(Some("p"), 9, 3, "p"), last.clone()]);
    let memory = Source::Memory { from: None, until: Some(key("m")), through: 7 };
    let fetched = Source::Page(page(Some("p"), 9, 3, "p"), Some(key("t")));
    assert_eq!(
        sources(Some(&old), &new, &|_, _| true),
        [memory, fetched.clone(), Source::Page(last.clone(), None)]
    );
    let first = Source::Page(page(None, 7, 2, "a"), Some(key("p")));
    assert_eq!(
        sources(Some(&old), &new, &|_, _| false),
        [first, fetched, Source::Page(last, None)],
        "what memory does not hold whole is fetched"
    );
}
