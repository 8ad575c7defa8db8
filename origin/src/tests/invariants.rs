//! Invariants 1 to 4, 8 and 9: what is acknowledged, and what is refused.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, future::join_all, stream};
use nearkv::{
    Condition, ExpirationRequest, GetOptions, Kv, Lookup, PutOptions, ReadOptions, Reason, Value,
    limits::MAX_VALUE_BYTES,
};
use tokio::time::{Instant, sleep};

use crate::{
    Declaration, DeclaredEntry, InitialState, Quota, Settings,
    format::ROOT_BYTES,
    limits::pacing::PacingSettings,
    store::simulated::{Action, Fate, Partition, Simulated, Way},
    tests::rig::{Process, config, key, reason, root, settings},
};

#[tokio::test(start_paused = true)]
async fn invariant_1_an_acknowledged_write_is_in_the_store_and_applied() {
    let store = Simulated::new(1);
    let process = Process::start(&store, 1).await;
    let version = process.put("site_title", "My Blog").await.unwrap();
    assert_eq!(root(&store).version, version.number);
    assert_eq!(process.get("site_title").await.unwrap().as_deref(), Some("My Blog"));
    process.kill();
    let next = Process::start(&store.client(), 2).await;
    assert_eq!(next.get("site_title").await.unwrap().as_deref(), Some("My Blog"));
    assert_eq!(next.origin.report(&settings()).unwrap().version, Some(version));
}

#[tokio::test(start_paused = true)]
async fn invariant_2_whatever_is_written_a_new_process_reads_it_from_what_the_root_names() {
    let store = Simulated::new(2);
    let process = Process::start(&store, 1).await;
    process.origin.set_maintainer(true);
    for round in 0..40 {
        let puts = (0..64).map(|n| {
            let (name, value) = (format!("key-{:04}", (round * 37 + n * 11) % 900), "v".repeat(300));
            let process = &process;
            async move { process.put_with(&name, format!("{round} {n} {value}"), PutOptions::default()).await }
        });
        for put in join_all(puts).await {
            put.unwrap();
        }
        process.delete(&format!("key-{:04}", round * 37 % 900)).await.unwrap();
        assert!(root(&store).encode().size() <= ROOT_BYTES as u64);
    }
    sleep(Duration::from_secs(30)).await;
    let root = root(&store);
    assert!(root.manifest.is_some(), "it was never folded");
    assert!(root.segments.len() <= 8, "{} segments", root.segments.len());
    let next = Process::start(&store.client(), 2).await;
    assert_eq!(next.keys().await, process.keys().await);
    for name in process.keys().await {
        assert_eq!(next.get(&name).await.unwrap(), process.get(&name).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_3_two_busy_replicas_both_make_progress_and_lose_nothing() {
    let store = Simulated::new(3);
    let (a, b) = (Process::start(&store, 1).await, Process::start(&store.client(), 2).await);
    let client = |process: &Process, who: String| {
        let origin = std::sync::Arc::clone(&process.origin);
        tokio::spawn(async move {
            let (mut slowest, mut last) = (Duration::ZERO, None);
            for n in 0..100 {
                let (name, start) = (key(&format!("{who}-{n}")), Instant::now());
                let put = origin.put(&settings(), &name, "v".into(), &PutOptions::default()).await.unwrap();
                assert!(last < Some(put.body.number), "versions go up");
                last = Some(put.body.number);
                slowest = slowest.max(start.elapsed());
            }
            slowest
        })
    };
    let clients: Vec<_> =
        (0..8).flat_map(|n| [client(&a, format!("a{n}")), client(&b, format!("b{n}"))]).collect();
    for client in clients {
        let slowest = client.await.unwrap();
        assert!(slowest < Duration::from_secs(1), "a write waited {slowest:?} for fairness");
    }
    sleep(Duration::from_secs(3)).await;
    assert_eq!(a.keys().await.len(), 1600);
    assert_eq!(b.keys().await, a.keys().await);
    assert_eq!(root(&store).version, 1600);
}

#[tokio::test(start_paused = true)]
async fn invariant_4_a_condition_is_judged_against_the_root_that_is_replaced() {
    let store = Simulated::new(4);
    let (a, b) = (Process::start(&store, 1).await, Process::start(&store.client(), 2).await);
    let once = || PutOptions { condition: Some(Condition::Absent), ..PutOptions::default() };
    let results = tokio::join!(
        a.put_with("lock", "a".into(), once()),
        b.put_with("lock", "b".into(), once()),
        a.put_with("lock", "a again".into(), once()),
    );
    let results = [results.0, results.1, results.2];
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 2));
    assert!(lost.into_iter().all(|lost| reason(lost) == Reason::PreconditionFailed));
    let first = *won.into_iter().next().unwrap().as_ref().unwrap();
    let replace = PutOptions { condition: Some(Condition::Versions(vec![first])), ..PutOptions::default() };
    let second = b.put_with("lock", "c".into(), replace.clone()).await.unwrap();
    assert!(second > first);
    assert_eq!(reason(a.put_with("lock", "d".into(), replace).await), Reason::PreconditionFailed);
}

#[tokio::test(start_paused = true)]
async fn invariant_4_a_refusal_is_never_judged_against_an_old_root() {
    let store = Simulated::new(5);
    let (a, b) = (Process::start(&store, 1).await, Process::start(&store.client(), 2).await);
    a.put("k", "1").await.unwrap();
    sleep(Duration::from_secs(3)).await;
    // b hears nothing of the deletion: by the root in its memory the condition fails.
    b.store.set_partition(Some(Partition { action: Some(Action::Watch), way: Way::Back }));
    a.delete("k").await.unwrap();
    assert_eq!(b.get("k").await.unwrap().as_deref(), Some("1"), "b has the old root");
    let once = PutOptions { condition: Some(Condition::Absent), ..PutOptions::default() };
    b.put_with("k", "2".into(), once).await.unwrap();
}

/// t0 a key is declared; t1 it is declared no more, of which b hears nothing; t2 b is to put a long value, whose chunks would
/// be written before it is committed.
#[tokio::test(start_paused = true)]
async fn invariant_4_a_long_value_is_not_refused_for_a_key_that_is_declared_no_more() {
    let store = Simulated::new(15);
    let (a, b) = (Process::start(&store, 1).await, Process::start(&store.client(), 2).await);
    let declare = async |generation, entries| {
        let declaration = Declaration { uid: "u1".into(), generation, entries, complete: true };
        a.origin.declare(&settings(), declaration).await.unwrap();
    };
    let entry = DeclaredEntry { key: key("k"), value: "1".into(), metadata: None, expiration: None };
    declare(1, vec![entry]).await;
    sleep(Duration::from_secs(3)).await;
    let long = || "2".repeat(9000);
    assert_eq!(reason(b.put("k", &long()).await), Reason::KeyDeclared);
    b.store.set_partition(Some(Partition { action: Some(Action::Watch), way: Way::Back }));
    declare(2, Vec::new()).await;
    assert_eq!(b.get("k").await.unwrap().as_deref(), Some("1"), "b has the old root");
    b.put("k", &long()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_4_an_expired_entry_counts_as_absent_at_once_and_for_every_purpose() {
    let store = Simulated::new(6);
    let process = Process::start(&store, 1).await;
    let ttl = PutOptions { expiration: Some(ExpirationRequest::Ttl(60)), ..PutOptions::default() };
    process.put_with("session", "s".into(), ttl.clone()).await.unwrap();
    assert!(process.get("session").await.unwrap().is_some());
    sleep(Duration::from_secs(61)).await;
    assert_eq!(process.get("session").await.unwrap(), None);
    assert!(process.keys().await.is_empty());
    assert_eq!(process.origin.report(&settings()).unwrap().keys, 0);
    let once = PutOptions { condition: Some(Condition::Absent), ..ttl };
    process.put_with("session", "t".into(), once).await.unwrap();
    let short = PutOptions { expiration: Some(ExpirationRequest::Ttl(59)), ..PutOptions::default() };
    assert_eq!(reason(process.put_with("x", "x".into(), short).await), Reason::ExpirationTtlInvalid);
}

#[tokio::test(start_paused = true)]
async fn invariant_8_a_quota_is_refused_and_what_does_not_grow_is_taken() {
    let store = Simulated::new(7);
    let process = Process::start(&store, 1).await;
    let quota = Quota { max_keys: 2, max_bytes: 20 };
    process.origin.configure(crate::NamespaceConfig { quota, ..config("u1") });
    process.put("a", "12345").await.unwrap();
    process.put("b", "12345").await.unwrap();
    let writes = store.counters().writes;
    assert_eq!(reason(process.put("c", "1").await), Reason::QuotaExceeded);
    assert_eq!(reason(process.put("b", &"1".repeat(30)).await), Reason::QuotaExceeded);
    assert_eq!(reason(process.put("b", &"1".repeat(9000)).await), Reason::QuotaExceeded);
    assert_eq!(store.counters().writes, writes, "a limit is refused before any write to the store");
    process.put("b", "1").await.unwrap();
    process.delete("a").await.unwrap();
    process.put("c", "1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invariant_9_when_the_pace_is_used_up_commits_wait_and_grow_and_the_queue_refuses() {
    let store = Simulated::new(8);
    // A swap of a small root every two seconds.
    let pacing = PacingSettings { bytes_per_second: 1000, bytes_burst: 4000 };
    let tight = Settings { pacing: Some(pacing), queue_writes: 50, ..Settings::default() };
    let process = Process::with(&store, 1, tight).await;
    let names: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
    let puts = names.iter().map(|name| process.put(name, "v"));
    let results = join_all(puts).await;
    let refused = results.iter().filter(|put| put.is_err()).count();
    assert!(results.into_iter().filter(Result::is_err).all(|put| reason(put) == Reason::Throttled));
    assert!((1..=50).contains(&refused), "{refused} of 100 refused");
    assert!(store.counters().writes <= 5, "commits did not grow: {} writes", store.counters().writes);
}

#[tokio::test(start_paused = true)]
async fn invariant_9_a_value_that_would_be_held_back_past_its_deadline_is_refused_at_once() {
    let store = Simulated::new(18);
    let process = Process::with(&store, 1, Settings::default()).await;
    let large = || Bytes::from(vec![7; MAX_VALUE_BYTES as usize]);
    let streamed = |length| {
        let pieces = (0..25).map(|_| Ok(Bytes::from(vec![7; 1024 * 1024])));
        Value::Stream { length, chunks: stream::iter(pieces).boxed() }
    };
    let put = async |value| {
        let started = Instant::now();
        let put = process.origin.put(&settings(), &key("k"), value, &PutOptions::default()).await;
        (put, started.elapsed())
    };
    for _ in 0..5 {
        put(Value::Bytes(large())).await.0.unwrap();
    }
    let writes = store.counters().writes;
    for value in [Value::Bytes(large()), streamed(Some(MAX_VALUE_BYTES))] {
        let (refused, waited) = put(value).await;
        let retry_after = refused.as_ref().unwrap_err().retry_after().unwrap();
        assert_eq!(reason(refused), Reason::Throttled);
        assert!(waited < Duration::from_secs(1), "{waited:?}");
        assert!((15..30).contains(&retry_after.as_secs()), "{retry_after:?}");
        assert_eq!(store.counters().writes, writes, "nothing was written");
    }
    let (refused, waited) = put(streamed(None)).await;
    assert_eq!(reason(refused), Reason::Throttled);
    assert!(waited <= Settings::default().write_deadline + Duration::from_secs(1), "{waited:?}");
    sleep(Duration::from_secs(60)).await;
    put(streamed(Some(MAX_VALUE_BYTES))).await.0.unwrap();
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_asks_for_a_version_and_gets_it_from_a_fresh_root_or_is_refused() {
    let store = Simulated::new(9);
    let (a, b) = (Process::start(&store, 1).await, Process::start(&store.client(), 2).await);
    let version = a.put("k", "v").await.unwrap();
    let read = |wanted| GetOptions {
        read: ReadOptions { min_version: Some(wanted), ..ReadOptions::default() },
        ..GetOptions::default()
    };
    let found = b.origin.get(&settings(), &key("k"), &read(version)).await.unwrap();
    assert!(matches!(found.body, Lookup::Found(_)));
    let beyond = nearkv::Version::new(version.incarnation, version.number + 1);
    assert_eq!(reason(b.origin.get(&settings(), &key("k"), &read(beyond)).await), Reason::VersionNotReached);
}

#[tokio::test(start_paused = true)]
async fn a_state_is_stale_when_the_store_cannot_be_asked_and_current_again_afterwards() {
    use crate::store::simulated::Link;
    let store = Simulated::new(10);
    let process = Process::start(&store, 1).await;
    process.put("k", "v").await.unwrap();
    sleep(Duration::from_secs(30)).await;
    let state =
        || async { process.origin.get(&settings(), &key("k"), &GetOptions::default()).await.unwrap().state };
    assert!(state().await.age <= Duration::from_secs(3), "{:?}", state().await.age);
    store.set_link(Link::Cut);
    sleep(Duration::from_secs(70)).await;
    assert_eq!(state().await.served.status.as_str(), "STALE");
    assert_eq!(process.get("k").await.unwrap().as_deref(), Some("v"));
    store.set_link(Link::Up);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(state().await.served.status.as_str(), "MISS");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kvnamespace_is_refused_and_one_without_data_is_loading() {
    let store = Simulated::new(11);
    let process = Process::idle(&store, 1, Settings::default());
    assert_eq!(reason(process.get("k").await), Reason::NamespaceMissing);
    process.origin.configure(config("u1"));
    assert_eq!(reason(process.get("k").await), Reason::NamespaceLoading);
    sleep(Duration::from_secs(1)).await;
    assert!(process.origin.loading().is_empty(), "that there is nothing yet is known");
    process.origin.initialise(&settings(), InitialState::New).await.unwrap();
    assert_eq!(process.get("k").await.unwrap(), None);
    process.origin.forget(&settings(), "another");
    assert_eq!(process.get("k").await.unwrap(), None);
    process.origin.forget(&settings(), "u1");
    assert_eq!(reason(process.get("k").await), Reason::NamespaceMissing);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_store_is_a_health_and_ends_with_the_next_commit() {
    let store = Simulated::new(12);
    let process = Process::start(&store, 1).await;
    store.order(Action::Replace, Fate::Refused);
    assert_eq!(reason(process.put("k", "v").await), Reason::StoreRefused);
    assert_eq!(process.health().as_str(), "StoreRefused");
    process.put("k", "v").await.unwrap();
    assert_eq!(process.health().as_str(), "Ready");
    store.order(Action::Replace, Fate::Throttled);
    process.put("k", "w").await.unwrap();
}
