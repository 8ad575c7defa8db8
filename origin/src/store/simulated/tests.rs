//! The simulated store against the conformance cases, and each of its faults.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::StreamExt;
use nearkv::Clock;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::store::{Content, Owner, conformance};

fn draft(text: &str) -> Draft {
    Draft {
        name: ObjectName::new("team-a", "settings.kv"),
        labels: [("nearkv.dev/part".to_owned(), "root".to_owned())].into(),
        owner: Some(Owner { name: "settings".to_owned(), id: "uid".to_owned() }),
        content: Content { text: [("text".to_owned(), text.to_owned())].into(), bytes: BTreeMap::new() },
        immutable: false,
    }
}

fn text(store: &Simulated) -> String {
    store
        .world()
        .object(&draft("").name)
        .map_or_else(String::new, |object| object.content.text["text"].clone())
}

#[tokio::test(start_paused = true)]
async fn a_simulated_store_is_an_object_store() {
    let store = Simulated::new(1);
    for (name, case) in conformance::CASES {
        case(Arc::new(store.client()), name.replace('_', "-").chars().take(63).collect()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_can_be_unknown_before_and_after_the_commit() {
    let store = Simulated::new(1);
    let meta = store.create(&draft("0")).await.unwrap();
    store.order(Action::Replace, Fate::FailedBefore);
    assert!(store.replace(&draft("1"), &meta.token).await.unwrap_err().is_unknown());
    assert_eq!(text(&store), "0");
    store.order(Action::Replace, Fate::FailedAfter);
    assert!(store.replace(&draft("2"), &meta.token).await.unwrap_err().is_unknown());
    assert_eq!(text(&store), "2");
}

#[tokio::test(start_paused = true)]
async fn a_late_request_lands_after_the_caller_has_given_up() {
    let store = Simulated::new(1);
    let meta = store.create(&draft("0")).await.unwrap();
    store.order(Action::Replace, Fate::Late(Duration::from_secs(5)));
    let before = Instant::now();
    assert!(store.replace(&draft("1"), &meta.token).await.unwrap_err().is_unknown());
    assert!(before.elapsed() >= Faults::NONE.deadline);
    assert_eq!(text(&store), "0");
    sleep(Duration::from_secs(6)).await;
    assert_eq!(text(&store), "1");
    // Late, and overtaken by the caller's own retry: the token decides.
    let meta = store.get(&draft("").name).await.unwrap().unwrap().meta;
    store.order(Action::Replace, Fate::Late(Duration::from_secs(5)));
    assert!(store.replace(&draft("2"), &meta.token).await.unwrap_err().is_unknown());
    store.replace(&draft("3"), &meta.token).await.unwrap();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(text(&store), "3");
}

#[tokio::test(start_paused = true)]
async fn definite_refusals_change_nothing() {
    let store = Simulated::new(1);
    let meta = store.create(&draft("0")).await.unwrap();
    store.order(Action::Replace, Fate::Throttled);
    let error = store.replace(&draft("1"), &meta.token).await.unwrap_err();
    assert!(matches!(error, StoreError::Throttled { retry_after: Some(_) }), "{error}");
    store.order(Action::Replace, Fate::Refused);
    let error = store.replace(&draft("1"), &meta.token).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    store.order(Action::Replace, Fate::Contended);
    let error = store.replace(&draft("1"), &meta.token).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict(_)), "{error}");
    assert_eq!(text(&store), "0");
    assert_eq!(store.counters().writes, 4);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_a_crash_may_land_after_it() {
    let outcomes: Vec<_> = futures::stream::iter(0..40)
        .then(|seed| async move {
            let store = Simulated::new(seed);
            let wanted = draft("0");
            timeout(Duration::from_micros(500), store.create(&wanted)).await.unwrap_err();
            sleep(Duration::from_secs(1)).await;
            text(&store)
        })
        .collect()
        .await;
    assert!(outcomes.contains(&String::new()) && outcomes.contains(&"0".to_owned()), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cut_process_runs_into_its_deadlines_and_its_watch_starts_anew() {
    let store = Simulated::new(1);
    let other = store.client();
    let mut watch = store.watch(&Selector::default());
    assert!(matches!(watch.next().await, Some(WatchEvent::Reset(objects)) if objects.is_empty()));
    store.set_link(Link::Cut);
    assert!(store.get(&draft("").name).await.unwrap_err().is_unknown());
    other.create(&draft("0")).await.unwrap();
    let healer = store.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(30)).await;
        healer.set_link(Link::Up);
    });
    let events: Vec<_> = watch.take(2).collect().await;
    assert!(matches!(&events[..], [WatchEvent::Broken, WatchEvent::Reset(objects)] if objects.len() == 1));
    assert!(store.get(&draft("").name).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_finds_its_answer_however_late() {
    let store = Simulated::new(1);
    let caller = store.clone();
    let call = tokio::spawn(async move { caller.create(&draft("0")).await });
    sleep(Duration::from_micros(500)).await;
    store.set_link(Link::Frozen);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(text(&store), "0");
    assert!(!call.is_finished());
    store.set_link(Link::Up);
    call.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_faulty_watch_still_ends_with_the_newest_state() {
    for seed in 0..50 {
        let store = Simulated::new(seed);
        let writer = store.client();
        store.set_faults(Faults::MANY);
        let mut watch = store.watch(&Selector::default());
        let mut meta = writer.create(&draft("0")).await.unwrap();
        let writing = tokio::spawn(async move {
            for n in 1..=100 {
                meta = writer.replace(&draft(&n.to_string()), &meta.token).await.unwrap();
                sleep(Duration::from_millis(150)).await;
            }
        });
        let mut seen = String::new();
        let mut current = false;
        while !(writing.is_finished() && current) {
            match timeout(Duration::from_secs(120), watch.next()).await.unwrap().unwrap() {
                WatchEvent::Applied(object) => seen = object.content.text["text"].clone(),
                WatchEvent::Reset(objects) => {
                    seen = objects
                        .first()
                        .map_or_else(String::new, |object| object.content.text["text"].clone());
                }
                WatchEvent::Current => current = writing.is_finished(),
                WatchEvent::Broken => {}
                WatchEvent::Deleted(meta) => panic!("seed {seed}: {meta:?} was not deleted"),
            }
        }
        assert_eq!(seen, "100", "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_history() {
    async fn history(seed: u64) -> Vec<String> {
        let store = Simulated::new(seed);
        store.set_faults(Faults::MANY);
        let start = Instant::now();
        let mut lines = Vec::new();
        for n in 0..200 {
            let present = store.get(&draft("").name).await;
            let token = present.ok().flatten().map_or(Token("0".into()), |object| object.meta.token);
            let answer = match store.create(&draft("0")).await {
                Ok(meta) => Ok(meta),
                Err(_) => store.replace(&draft(&n.to_string()), &token).await,
            };
            lines.push(format!("{:?} {answer:?}", start.elapsed()));
        }
        lines
    }
    let first = history(7).await;
    assert_eq!(first, history(7).await);
    assert_ne!(first, history(8).await);
}

#[tokio::test(start_paused = true)]
async fn the_back_door_plays_people_and_the_garbage_collector() {
    let store = Simulated::new(1);
    let meta = store.create(&draft("0")).await.unwrap();
    assert!(
        store.world().tamper(&meta.name, |object| object.content.text.get_mut("text").unwrap().push('!'))
    );
    let edited = store.get(&meta.name).await.unwrap().unwrap();
    assert_eq!((edited.content.text["text"].as_str(), &edited.meta.id), ("0!", &meta.id));
    assert_ne!(edited.meta.token, meta.token);
    assert_eq!(store.world().collect_owned("another"), 0);
    assert_eq!(store.world().collect_owned("uid"), 1);
    assert_eq!(store.get(&meta.name).await.unwrap(), None);
    assert_eq!(store.time(), Some(store.world().clock().now()));
    assert_eq!(meta.created.0 / 1000, store.world().clock().now().0 / 1000);
}
