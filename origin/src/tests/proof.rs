//! What proves that memory is current, what does not, and what it costs to ask.

use std::{sync::Arc, time::Duration};

use nearkv::{CacheStatus, GetOptions, Kv, Lookup, ReadOptions, Reason, State, Version};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    CacheConfig, NamespaceConfig, Settings,
    store::simulated::{Action, Fate, Faults, Link, Partition, Simulated, Way},
    tests::rig::{Process, config, key, reason, settings},
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

/// The watch of an API server is served from a cache that may lag behind. t0 swaps of the canary fail from now on; t1 the
/// watch goes on telling of commits: each was the newest state once, and none shows what the cache has not heard of yet.
#[tokio::test(start_paused = true)]
async fn neither_events_nor_bookmarks_of_the_watch_prove_that_memory_is_current() {
    let (writer, reader) = two(81).await;
    for _ in 0..100 {
        reader.store.order(Action::Replace, Fate::FailedBefore);
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
async fn f8_while_the_canary_is_swapped_no_answer_is_older_than_the_time_between_two_swaps() {
    let (_writer, reader) = two(82).await;
    for _ in 0..200 {
        sleep(Duration::from_millis(173)).await;
        let age = state(&reader).await.age;
        assert!(age <= crate::settings::CANARY_EVERY + Duration::from_millis(300), "{age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_swap_of_the_canary_keeps_nobody_from_hearing_what_is_new() {
    let (writer, reader) = two(83).await;
    for _ in 0..10 {
        reader.store.order(Action::Replace, Fate::Lost);
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
    // That read says nothing of what is written after it.
    reader.store.set_partition(Some(Partition { action: Some(Action::Watch), way: Way::Back }));
    for n in 0..5 {
        writer.put("k", &n.to_string()).await.unwrap();
    }
    reader.origin.get(&settings(), &key("k"), &at_least(ahead)).await.unwrap();
}

/// A store whose quota or permissions have no place for the canary.
#[tokio::test(start_paused = true)]
async fn where_the_canary_is_refused_lists_prove_instead() {
    let store = Simulated::new(87);
    let _writer = Process::start(&store, 1).await;
    let client = store.client();
    for _ in 0..1000 {
        client.order(Action::Create, Fate::Refused);
    }
    let reader = Process::idle(&client, 2, Settings { pacing: None, ..Settings::default() });
    reader.origin.configure(config("u1"));
    reader.reaches("Ready").await;
    sleep(Duration::from_secs(2)).await;
    for _ in 0..200 {
        sleep(Duration::from_millis(173)).await;
        let age = state(&reader).await.age;
        assert!(age <= crate::settings::CANARY_EVERY + Duration::from_millis(300), "{age:?}");
    }
}

/// Design §7: what was heard of and cannot be read yet is not proven by a canary that comes after it.
#[tokio::test(start_paused = true)]
async fn f8_a_replica_that_cannot_read_what_it_has_heard_of_proves_nothing() {
    let (writer, reader) = two(88).await;
    writer.put("k", "v").await.unwrap();
    state(&reader).await;
    for _ in 0..1000 {
        reader.store.order(Action::Get, Fate::FailedBefore);
    }
    // More than the root holds inline: the reader has to read a segment.
    for n in 0..20 {
        writer.put(&format!("long-{n}"), &"x".repeat(3000)).await.unwrap();
    }
    writer.put("k", "newer").await.unwrap();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(reader.get("k").await.unwrap().as_deref(), Some("v"), "it cannot know");
    assert!(state(&reader).await.age >= Duration::from_secs(19));
    reader.store.forget_orders();
    sleep(Duration::from_secs(12)).await;
    assert_eq!(reader.get("k").await.unwrap().as_deref(), Some("newer"));
    assert!(state(&reader).await.age <= Duration::from_secs(2));
}

/// A follower that is told of the next commit before it has applied the last one is behind by little, and proven.
#[tokio::test(start_paused = true)]
async fn f8_a_follower_that_always_has_something_to_apply_is_proven_as_of_what_it_has_applied() {
    let (writer, reader) = two(89).await;
    let latency = Duration::from_millis(30)..Duration::from_millis(31);
    reader.store.set_faults(Faults { latency, ..Faults::NONE });
    let writing = tokio::spawn(async move {
        for n in 0..1500 {
            writer.put(&format!("k{}", n % 40), &n.to_string().repeat(900)).await.unwrap();
        }
    });
    sleep(Duration::from_secs(1)).await;
    while !writing.is_finished() {
        sleep(Duration::from_millis(97)).await;
        let age = state(&reader).await.age;
        assert!(age <= Duration::from_secs(2), "{age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_replica_costs_three_writes_a_minute_and_its_first_reader_finds_it_proven() {
    let (_writer, reader) = two(90).await;
    sleep(Duration::from_secs(120)).await;
    let before = reader.store.counters();
    sleep(Duration::from_secs(600)).await;
    let after = reader.store.counters();
    assert_eq!(after.writes - before.writes, 30);
    let age = state(&reader).await.age;
    assert!(age <= Duration::from_millis(10), "{age:?}");
    // The store is gone: the first one waits a moment, and nobody after it.
    sleep(Duration::from_secs(120)).await;
    reader.store.set_link(Link::Cut);
    let came = Instant::now();
    assert!(state(&reader).await.age > Duration::from_secs(1));
    assert_eq!(came.elapsed(), Duration::from_millis(250));
    let came = Instant::now();
    state(&reader).await;
    assert_eq!(came.elapsed(), Duration::ZERO);
}

/// The watch of the reader is half a minute late.
#[tokio::test(start_paused = true)]
async fn with_ttl_0_a_read_shows_what_was_written_before_it_and_readers_share_what_that_costs() {
    let (writer, reader) = two(91).await;
    let cache = CacheConfig { ttl: Duration::ZERO, ..CacheConfig::default() };
    reader.origin.configure(NamespaceConfig { cache, ..config("u1") });
    reader.store.set_faults(Faults { watch_delay: Duration::from_secs(30), ..Faults::NONE });
    sleep(Duration::from_secs(3)).await;
    for n in 0..20 {
        writer.put("k", &n.to_string()).await.unwrap();
        assert_eq!(reader.get("k").await.unwrap(), Some(n.to_string()));
    }
    let before = reader.store.counters().reads;
    let mut readers = JoinSet::new();
    for _ in 0..500 {
        let origin = Arc::clone(&reader.origin);
        readers.spawn(async move { origin.get(&settings(), &key("k"), &GetOptions::default()).await });
    }
    readers.join_all().await;
    assert!(reader.store.counters().reads - before <= 2);
    reader.store.set_link(Link::Cut);
    let came = Instant::now();
    assert_eq!(state(&reader).await.served.status, CacheStatus::Stale);
    assert_eq!(came.elapsed(), Duration::from_secs(1), "and then it is answered from memory");
}
