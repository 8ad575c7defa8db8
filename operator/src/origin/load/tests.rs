//! What is missing or damaged is named with its keys, and a failing store is not taken for damage.

use bytes::Bytes;
use nearkv::Random;

use super::*;
use crate::{
    origin::{
        budget::Budget,
        format::{Drafter, StoredValue, encode_lines},
        workshop::Workshop,
    },
    store::simulated::{Action, Fate, Simulated},
};

struct Shelf {
    store: Simulated,
    workshop: Workshop,
    pages: Vec<(PageRef, Option<Key>)>,
    segment: SegmentRef,
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

async fn shelf() -> Shelf {
    let store = Simulated::new(1);
    let workshop = Workshop {
        store: Arc::new(store.clone()),
        random: Arc::new(Random::seeded(1)),
        budget: Arc::new(Budget::default()),
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
        workshop.page(from.map(key), 1, format!("{}\n", put(name).to_line(Some(7))))
    };
    let (first, second) = (page(None, "a"), page(Some("m"), "n"));
    let (segment, draft) = workshop.segment(8, 1, encode_lines([&put("z")]));
    workshop.create(vec![first.1, second.1, draft]).await.unwrap();
    let pages = vec![(first.0, Some(key("m"))), (second.0, None)];
    Shelf { store, workshop, pages, segment }
}

#[tokio::test(start_paused = true)]
async fn a_missing_page_and_a_damaged_segment_are_named_with_what_they_hold() {
    let Shelf { store, workshop, pages, segment } = shelf().await;
    let loader = workshop.loader();
    let loaded = loader.pages(pages.clone()).await.unwrap();
    assert_eq!(loaded.iter().map(|page| page[0].1.key.as_str()).collect::<Vec<_>>(), ["a", "n"]);
    let object = ObjectName::new("a", &pages[0].0.page);
    store.world().remove(&object).unwrap();
    let error = loader.pages(pages.clone()).await.unwrap_err();
    assert!(error.is_damage());
    assert_eq!(error.to_string(), format!("{object} (keys before \"m\") is missing"));
    let object = ObjectName::new("a", &segment.segment);
    store.world().tamper(&object, |object| object.content.text.values_mut().for_each(|text| text.push(' ')));
    let error = loader.segments(vec![segment]).await.unwrap_err();
    assert!(error.is_damage());
    assert_eq!(error.to_string(), format!("{object} (records 8 to 8) is damaged"));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_now_and_then_is_repeated_and_a_store_that_is_away_is_no_damage() {
    let Shelf { store, workshop, pages, .. } = shelf().await;
    for fate in [Fate::FailedBefore, Fate::Throttled, Fate::Lost] {
        store.order(Action::Get, fate);
        assert!(workshop.loader().pages(pages.clone()).await.is_ok(), "{fate:?}");
    }
    for _ in 0..20 {
        store.order(Action::Get, Fate::FailedBefore);
    }
    let error = workshop.loader().pages(pages).await.unwrap_err();
    assert!(!error.is_damage(), "{error}");
}
