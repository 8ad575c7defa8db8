//! Invariants 5 and 6: unknown outcomes, and the collector's race.

use std::time::Duration;

use futures::future::join_all;
use nearkv::{Condition, GetOptions, Kv, Lookup, PutOptions, Reason};
use tokio::time::sleep;

use crate::{
    DeletionPolicy, InitialState, NamespaceConfig, Settings,
    store::simulated::{Action, Fate, Faults, Link, Simulated},
    tests::rig::{self, Process, config, key, reason, root, settings},
};

#[tokio::test(start_paused = true)]
async fn invariant_5_a_commit_whose_answer_is_lost_is_found_in_the_root_and_not_repeated() {
    for fate in [Fate::FailedAfter, Fate::FailedBefore, Fate::Lost, Fate::Late(Duration::from_millis(700))] {
        let store = Simulated::new(1);
        let process = Process::start(&store, 1).await;
        store.order(Action::Replace, fate);
        let options = PutOptions { condition: Some(Condition::Absent), ..PutOptions::default() };
        let put = process.put_with("k", "v".into(), options).await;
        match put {
            Ok(version) => assert_eq!(version.number, 1, "{fate:?}"),
            Err(error) => {
                assert_eq!(error.reason(), Reason::OutcomeUnknown, "{fate:?}: {error}");
            }
        }
        sleep(Duration::from_secs(20)).await;
        assert!(root(&store).version <= 1, "{fate:?}: it was committed twice");
        process.put("l", "v").await.unwrap();
        assert_eq!(process.keys().await.len() as u64, root(&store).version, "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn invariant_5_a_late_request_that_lands_after_a_retry_changes_nothing() {
    let store = Simulated::new(2);
    let process = Process::start(&store, 1).await;
    // The caller's time runs out at 10 s; this one lands 5 s after that, when the same swap was sent again.
    store.order(Action::Replace, Fate::Late(Duration::from_secs(5)));
    let first = process.put("k", "1").await;
    let second = process.put("k", "2").await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(process.get("k").await.unwrap().as_deref(), Some("2"), "{first:?}");
    assert_eq!(root(&store).version, second.number);
}

#[tokio::test(start_paused = true)]
async fn invariant_5_while_the_store_is_away_the_answer_is_unknown_or_says_that_nothing_was_written() {
    let store = Simulated::new(3);
    let process = Process::start(&store, 1).await;
    store.set_link(Link::Cut);
    let put = process.put("k", "v").await;
    assert_eq!(reason(put), Reason::OutcomeUnknown);
    store.set_link(Link::Up);
    sleep(Duration::from_secs(60)).await;
    process.put("l", "v").await.unwrap();
    assert_eq!(process.keys().await.len() as u64, root(&store).version);
}

/// What it then finds in the root under its name is another write, which was acknowledged long ago.
#[tokio::test(start_paused = true)]
async fn invariant_5_a_process_that_serves_a_kvnamespace_again_does_not_take_an_earlier_batch_for_one_of_now()
{
    let store = Simulated::new(14);
    let (a, b) = (
        Process::idle(&store, 1, Settings::default()),
        Process::idle(&store.client(), 2, Settings::default()),
    );
    let retain = |uid| NamespaceConfig { deletion_policy: DeletionPolicy::Retain, ..config(uid) };
    for uid in ["u1", "u2"] {
        for process in [&a, &b] {
            if uid == "u2" {
                process.origin.forget(&settings(), "u1");
            }
            process.origin.configure(retain(uid));
            process.origin.initialise(&settings(), InitialState::New).await.unwrap();
        }
        if uid == "u1" {
            a.put("k", "of the first life").await.unwrap();
        }
    }
    a.store.set_faults(Faults { watch_delay: Duration::from_secs(5), ..Faults::NONE });
    b.put("other", "v").await.unwrap();
    // It has not heard of that when it sends its own.
    a.store.order(Action::Replace, Fate::FailedBefore);
    let version = a.put("k", "of the second life").await.unwrap();
    assert_eq!(a.get("k").await.unwrap().as_deref(), Some("of the second life"));
    assert_eq!(root(&store).version, version.number);
    assert_eq!(version.number, 3);
}

#[tokio::test(start_paused = true)]
async fn invariant_5_the_own_entry_is_kept_and_strangers_are_forgotten_after_ten_minutes() {
    let store = Simulated::new(4);
    let a = Process::start(&store, 1).await;
    a.put("k", "v").await.unwrap();
    a.stop().await;
    let b = Process::start(&store.client(), 2).await;
    b.put("k", "w").await.unwrap();
    assert_eq!(root(&store).writers.len(), 2);
    sleep(Duration::from_secs(590)).await;
    b.put("k", "x").await.unwrap();
    assert_eq!(root(&store).writers.len(), 2);
    sleep(Duration::from_secs(20)).await;
    b.put("k", "y").await.unwrap();
    assert_eq!(root(&store).writers.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn invariant_6_the_collector_deletes_what_nothing_reaches_and_no_more() {
    let store = Simulated::new(5);
    let settings = Settings { grace: Duration::from_secs(30), pacing: None, ..Settings::default() };
    let process = Process::with(&store, 1, settings).await;
    process.origin.set_maintainer(true);
    let long = "x".repeat(600_000);
    for n in 0..5 {
        process.put_with("long", format!("{n}{long}"), PutOptions::default()).await.unwrap();
    }
    let objects = rig::objects(&store).len();
    assert!(objects >= 15, "{objects} objects");
    sleep(Duration::from_secs(120)).await;
    let report = process.origin.report(&crate::tests::rig::settings()).unwrap();
    assert_eq!(rig::objects(&store).len() as u64, report.objects);
    assert_eq!(process.get("long").await.unwrap().unwrap().len(), 600_001);
    assert!(root(&store).sweep > 0);
}

#[tokio::test(start_paused = true)]
async fn invariant_6_a_value_that_took_half_the_grace_to_arrive_is_made_again_before_it_is_named() {
    use bytes::Bytes;
    use futures::{StreamExt, stream};
    use nearkv::{Kv, Value};
    let store = Simulated::new(6);
    let settings = Settings { grace: Duration::from_secs(30), pacing: None, ..Settings::default() };
    let process = Process::with(&store, 1, settings).await;
    let chunks = stream::iter(0..4)
        .then(|_| async {
            sleep(Duration::from_secs(5)).await;
            Ok(Bytes::from(vec![7; 200_000]))
        })
        .boxed();
    let value = Value::Stream { length: None, chunks };
    let put = process
        .origin
        .put(&crate::tests::rig::settings(), &crate::tests::rig::key("slow"), value, &PutOptions::default())
        .await;
    put.unwrap();
    process.origin.set_maintainer(true);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(process.origin.report(&crate::tests::rig::settings()).unwrap().objects, 5);
    assert_eq!(rig::objects(&store).len(), 5, "the chunks that came first are collected");
    assert_eq!(process.length("slow").await, 800_000);
}

/// The watch goes on to say that it has nothing more to tell, while what it told is still being read.
#[tokio::test(start_paused = true)]
async fn a_state_is_not_proven_to_be_the_newest_while_a_newer_one_is_being_read() {
    let store = Simulated::new(13);
    let (a, b) = (Process::start(&store, 1).await, Process::start(&store.client(), 2).await);
    sleep(Duration::from_secs(5)).await;
    // Too much for the root: the other process has to read a segment, and waits ten seconds for it.
    b.store.order(Action::Get, Fate::Lost);
    let value = "v".repeat(1000);
    let names: Vec<_> = (0..20).map(|n| format!("k{n}")).collect();
    join_all(names.iter().map(|name| a.put(name, &value))).await;
    for seconds in 1..10 {
        sleep(Duration::from_secs(1)).await;
        let read = b.origin.get(&settings(), &key("k9"), &GetOptions::default()).await.unwrap();
        assert!(matches!(read.body, Lookup::Absent), "the segment was read after {seconds} s");
        assert!(read.state.age >= Duration::from_secs(seconds) / 2, "{:?} after {seconds} s", read.state.age);
    }
    sleep(Duration::from_secs(5)).await;
    assert!(b.get("k9").await.unwrap().is_some());
}
