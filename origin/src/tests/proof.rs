//! What proves that memory is current, what does not, and what it costs to ask.

use std::{sync::Arc, time::Duration};

use nearkv::{GetOptions, Kv, Lookup, ReadOptions, Reason, State, Version};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    store::simulated::{Action, Fate, Faults, Simulated},
    tests::rig::{Process, key, reason, settings},
};

/// Two replicas, each with a connection of its own.
async fn two(seed: u64) -> (Process, Process) {
    let store = Simulated::new(seed);
    let first = Process::start(&store, 1).await;
    let second = Process::start(&store.client(), 2).await;
    (first, second)
}

async fn state(process: &Process) -> State {
    process.origin.get(&settings(), &key("k"), &GetOptions::default()).await.unwrap().state
}

fn at_least(version: Version) -> GetOptions {
    let read = ReadOptions { min_version: Some(version), ..ReadOptions::default() };
    GetOptions { read, ..GetOptions::default() }
}

/// The watch of an API server is served from a cache that may lag behind. t0 lists fail from now on; t1 the watch goes on
/// telling of commits: each was the newest state once, and none shows what the cache has not heard of yet.
#[tokio::test(start_paused = true)]
async fn neither_events_nor_bookmarks_of_the_watch_prove_that_memory_is_current() {
    let (writer, reader) = two(81).await;
    for _ in 0..100 {
        reader.store.order(Action::List, Fate::FailedBefore);
    }
    sleep(Duration::from_secs(3)).await;
    for n in 0..30 {
        writer.put("k", &n.to_string()).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(reader.get("k").await.unwrap(), Some(n.to_string()), "the watch is heard");
    }
    assert!(state(&reader).await.age >= Duration::from_secs(30));
    assert!(state(&writer).await.age <= Duration::from_secs(2), "an own commit proves");
}

#[tokio::test(start_paused = true)]
async fn while_lists_succeed_no_answer_is_older_than_the_time_between_two_of_them() {
    let (_writer, reader) = two(82).await;
    for _ in 0..200 {
        sleep(Duration::from_millis(173)).await;
        let age = state(&reader).await.age;
        assert!(age <= crate::settings::LIST_EVERY + Duration::from_millis(300), "{age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_list_of_roots_keeps_nobody_from_hearing_what_is_new() {
    let (writer, reader) = two(83).await;
    for _ in 0..10 {
        reader.store.order(Action::List, Fate::Lost);
    }
    for n in 0..100 {
        sleep(Duration::from_millis(300)).await;
        writer.put("k", &n.to_string()).await.unwrap();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(reader.get("k").await.unwrap(), Some(n.to_string()));
    }
}

/// A herd of readers at a replica whose watch is late, each with the version that a write was answered with.
#[tokio::test(start_paused = true)]
async fn readers_of_a_newer_version_share_reads_of_the_root() {
    let (writer, reader) = two(84).await;
    let late = Duration::from_secs(30);
    let latency = Duration::from_millis(40)..Duration::from_millis(41);
    reader.store.set_faults(Faults { watch_delay: late, latency, ..Faults::NONE });
    let version = writer.put("k", "new").await.unwrap();
    let before = reader.store.counters().reads;
    let mut readers = JoinSet::new();
    for n in 0..500 {
        let origin = Arc::clone(&reader.origin);
        readers.spawn(async move {
            sleep(Duration::from_millis(n % 30)).await;
            origin.get(&settings(), &key("k"), &at_least(version)).await.unwrap().body
        });
    }
    while let Some(body) = readers.join_next().await {
        assert!(matches!(body.unwrap(), Lookup::Found(_)));
    }
    let reads = reader.store.counters().reads - before;
    assert!(reads <= 3, "{reads} reads for 500 readers");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_watch_brings_within_a_moment_costs_no_read() {
    let (writer, reader) = two(85).await;
    reader.store.set_faults(Faults { watch_delay: Duration::from_millis(20), ..Faults::NONE });
    for n in 0..50 {
        // Off the beat of the lists, which are reads too.
        let version = writer.put("k", &n.to_string()).await.unwrap();
        let before = reader.store.counters().reads;
        reader.origin.get(&settings(), &key("k"), &at_least(version)).await.unwrap();
        assert!(reader.store.counters().reads - before <= 1);
    }
    let total = reader.store.counters().reads;
    assert!(total < 20, "{total} reads, those of the beginning included");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_store_does_not_have_is_refused_after_a_read_that_began_later() {
    let (writer, reader) = two(86).await;
    let version = writer.put("k", "v").await.unwrap();
    let ahead = Version::new(version.incarnation, version.number + 5);
    let mut readers = JoinSet::new();
    let before = reader.store.counters().reads;
    for _ in 0..100 {
        let origin = Arc::clone(&reader.origin);
        readers.spawn(async move { origin.get(&settings(), &key("k"), &at_least(ahead)).await.map(drop) });
    }
    while let Some(outcome) = readers.join_next().await {
        assert_eq!(reason(outcome.unwrap()), Reason::VersionNotReached);
    }
    assert!(reader.store.counters().reads - before <= 3);
}
