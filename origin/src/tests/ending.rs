//! What has ended leaves the budget by itself, whether or not anybody writes, whoever leads, and whatever became of its
//! KvNamespace (design §6 invariant 8).

use std::time::Duration;

use futures::{StreamExt, stream};
use nearkv::{ExpirationRequest, Kv, Mutation, Namespace, PutOptions, Reason, Value};
use tokio::time::{Instant, sleep};

use crate::{
    DeletionPolicy, InitialState, NamespaceConfig, Settings,
    limits::budget::Usage,
    store::simulated::Simulated,
    tests::rig::{self, Process, config, key, settings},
};

const BUDGET: u64 = 25 * 1024 * 1024;
const MIB: usize = 1024 * 1024;
/// An entry's least time to live in these tests, in seconds.
const TTL: i64 = 5;

fn other() -> Namespace {
    "team-b/other".parse().unwrap()
}

fn tight() -> Settings {
    Settings { pacing: None, budget_bytes: BUDGET, ..Settings::default() }
}

async fn start(store: &Simulated, seed: u64) -> Process {
    let process = Process::idle(store, seed, tight());
    let short = |config: NamespaceConfig| NamespaceConfig { min_ttl: Duration::from_secs(1), ..config };
    process.origin.configure(short(config("u1")));
    process.origin.configure(NamespaceConfig { namespace: other(), ..config("u2") });
    for namespace in [settings(), other()] {
        process.origin.initialise(&namespace, InitialState::New).await.unwrap();
    }
    process
}

fn ending() -> PutOptions {
    PutOptions { expiration: Some(ExpirationRequest::Ttl(TTL)), ..PutOptions::default() }
}

/// A put of 1 MiB into the other KvNamespace.
async fn put_elsewhere(process: &Process) -> Result<(), Reason> {
    let value = Value::Bytes(vec![b'o'; MIB].into());
    let put = process.origin.put(&other(), &key("k"), value, &PutOptions::default()).await;
    put.map(drop).map_err(|error| error.reason())
}

/// How long there is no room for the other KvNamespace.
async fn until_there_is_room(process: &Process) -> Duration {
    let since = Instant::now();
    while let Err(reason) = put_elsewhere(process).await {
        assert_eq!(reason, Reason::BudgetExceeded);
        assert!(since.elapsed() < tight().grace * 6, "there is no room after {:?}", since.elapsed());
        sleep(Duration::from_secs(5)).await;
    }
    since.elapsed()
}

async fn fill_with_large_values(process: &Process) {
    for n in 0..10 {
        let value = "v".repeat(5 * MIB / 2 - 4096);
        process.put_with(&format!("large-{n}"), value, ending()).await.unwrap();
    }
    assert_eq!(put_elsewhere(process).await, Err(Reason::BudgetExceeded));
}

/// t0: ten values fill the budget of the whole cluster, and end 5 s later. Nobody writes to their KvNamespace again.
#[tokio::test(start_paused = true)]
async fn large_values_that_have_ended_make_room_for_others_within_two_graces_although_nobody_writes() {
    let store = Simulated::new(41);
    let process = start(&store, 1).await;
    process.origin.set_maintainer(true);
    fill_with_large_values(&process).await;
    let waited = until_there_is_room(&process).await;
    println!("there is room after {waited:?}");
    assert!(waited <= tight().grace * 2, "{waited:?}");
    assert!(process.keys().await.is_empty());
    process.stop().await;
}

/// Many short entries, in pages: they have no objects of their own, and no log grows any more.
#[tokio::test(start_paused = true)]
async fn short_values_that_have_ended_make_room_within_two_graces_although_nobody_writes() {
    let store = Simulated::new(42);
    let process = start(&store, 1).await;
    process.origin.set_maintainer(true);
    let mut written = 0;
    loop {
        let put = |n: u64| {
            let (value, options) = (Value::Bytes(vec![b'v'; 288].into()), ending());
            let options = PutOptions { expiration: Some(ExpirationRequest::Ttl(3600)), ..options };
            Ok(Mutation::Put { key: key(&format!("session/{n:06}")), value, options })
        };
        let puts = stream::iter(written..written + 1000).map(put).boxed();
        if process.origin.write_many(&settings(), puts).await.is_err() {
            break;
        }
        written += 1000;
        sleep(Duration::from_secs(1)).await;
    }
    // What was garbage when the budget was full has gone by then, and they have not ended.
    sleep(Duration::from_secs(3500)).await;
    let full = process.origin.context.budget.used(&settings()).bytes;
    sleep(Duration::from_secs(100) + tight().grace * 2).await;
    let left = process.origin.context.budget.used(&settings()).bytes;
    println!("{written} entries: {full} bytes, then {left}");
    assert!(left < full / 4, "{left} of {full} bytes are left");
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn deleted_values_make_room_within_two_graces_although_nobody_writes() {
    let store = Simulated::new(43);
    let process = start(&store, 1).await;
    process.origin.set_maintainer(true);
    let all =
        |from: u64, one: fn(u64) -> Mutation| stream::iter((from..from + 1000).map(move |n| Ok(one(n))));
    let put = |n: u64| Mutation::Put {
        key: key(&format!("user/{n:06}")),
        value: Value::Bytes(vec![b'v'; 288].into()),
        options: PutOptions::default(),
    };
    let delete = |n: u64| Mutation::Delete { key: key(&format!("user/{n:06}")), options: Default::default() };
    for start in (0..25_000).step_by(1000) {
        process.origin.write_many(&settings(), all(start, put).boxed()).await.unwrap();
    }
    sleep(tight().grace * 3).await;
    let full = process.origin.context.budget.used(&settings()).bytes;
    for start in (0..25_000).step_by(1000) {
        process.origin.write_many(&settings(), all(start, delete).boxed()).await.unwrap();
    }
    sleep(tight().grace * 2).await;
    let left = process.origin.context.budget.used(&settings()).bytes;
    println!("{full} bytes, then {left}");
    assert!(left < full / 4, "{left} of {full} bytes are left");
    process.stop().await;
}

/// Leadership passes from one process to the other every few minutes: no one leads for a whole grace.
#[tokio::test(start_paused = true)]
async fn garbage_goes_while_leadership_changes_more_often_than_a_grace_is_long() {
    for leads in [Duration::from_secs(240), Duration::from_secs(45)] {
        let store = Simulated::new(44);
        let processes = [start(&store, 1).await, start(&store.client(), 2).await];
        fill_with_large_values(&processes[0]).await;
        let since = Instant::now();
        let mut leader = 0;
        let refused = loop {
            processes[leader].origin.set_maintainer(true);
            sleep(leads).await;
            processes[leader].origin.set_maintainer(false);
            leader = 1 - leader;
            let refused = put_elsewhere(&processes[0]).await;
            if refused.is_ok() || since.elapsed() > tight().grace * 2 {
                break refused;
            }
        };
        println!("leading for {leads:?}: {refused:?} after {:?}", since.elapsed());
        assert_eq!(refused, Ok(()), "there is no room after {:?}", since.elapsed());
        for process in processes {
            process.stop().await;
        }
    }
}

/// One leads until the checkpoint has made garbage. The other becomes the maintainer when the garbage is ripe, just after one
/// of its rounds, and is not the maintainer any more before the next.
#[tokio::test(start_paused = true)]
async fn a_replica_that_becomes_the_maintainer_deletes_at_once_what_it_has_seen_for_a_grace() {
    let store = Simulated::new(47);
    let begun = Instant::now();
    let processes = [start(&store, 1).await, start(&store.client(), 2).await];
    processes[0].origin.set_maintainer(true);
    fill_with_large_values(&processes[0]).await;
    sleep(Duration::from_secs(100)).await;
    processes[0].origin.set_maintainer(false);
    tokio::time::sleep_until(begun + Duration::from_secs(13 * 60 + 10)).await;
    assert!(stored(&store, &settings()).bytes > 20 * MIB as u64);
    processes[1].origin.set_maintainer(true);
    sleep(Duration::from_secs(20)).await;
    assert!(stored(&store, &settings()).bytes < MIB as u64);
    for process in processes {
        process.stop().await;
    }
}

/// What the store holds of a KvNamespace.
fn stored(store: &Simulated, namespace: &Namespace) -> Usage {
    let objects = rig::objects(store);
    let own = objects.iter().filter(|object| {
        object.meta.name.folder.as_ref() == namespace.account()
            && object.meta.labels["nearkv.dev/kvnamespace"] == namespace.name()
    });
    Usage::of(own.map(|object| &object.meta))
}

#[tokio::test(start_paused = true)]
async fn retained_data_of_a_deleted_kvnamespace_stay_in_the_budget_also_after_a_restart() {
    let store = Simulated::new(45);
    let process = Process::idle(&store, 1, tight());
    process.origin.set_maintainer(true);
    process.origin.configure(NamespaceConfig { deletion_policy: DeletionPolicy::Retain, ..config("u1") });
    process.origin.initialise(&settings(), InitialState::New).await.unwrap();
    for n in 0..4 {
        process.put(&format!("large-{n}"), &"v".repeat(MIB)).await.unwrap();
    }
    process.origin.forget(&settings(), "u1");
    let reckoned = |process: &Process| process.origin.context.budget.used(&settings());
    assert!(reckoned(&process).bytes > 4 * MIB as u64, "at once");
    sleep(Duration::from_secs(120)).await;
    assert_eq!(reckoned(&process), stored(&store, &settings()));
    process.stop().await;

    let process = start_without_settings(&store).await;
    sleep(Duration::from_secs(10)).await;
    let retained = stored(&store, &settings());
    assert!(retained.bytes > 4 * MIB as u64 && retained.objects > 16, "{retained:?}");
    assert_eq!(reckoned(&process), retained);
    let before = store.counters().reads;
    sleep(Duration::from_secs(540)).await;
    let reads = store.counters().reads - before;
    // The other KvNamespace's collector and audit, the roots, and nothing of what does not change.
    assert!(reads < 120, "{reads} reads in nine minutes");

    for object in rig::objects(&store) {
        if object.meta.name.folder.as_ref() == settings().account() {
            store.world().remove(&object.meta.name);
        }
    }
    sleep(Duration::from_secs(130)).await;
    assert_eq!(reckoned(&process), Usage::default(), "they were deleted by hand");
    process.stop().await;
}

/// Only the other KvNamespace has an object.
async fn start_without_settings(store: &Simulated) -> Process {
    let process = Process::idle(&store.client(), 2, tight());
    process.origin.configure(NamespaceConfig { namespace: other(), ..config("u2") });
    process.origin.initialise(&other(), InitialState::New).await.unwrap();
    process
}

#[tokio::test(start_paused = true)]
async fn what_is_charged_after_a_kvnamespace_was_forgotten_does_not_stay() {
    let store = Simulated::new(46);
    let process = start_without_settings(&store).await;
    process.origin.forget(&settings(), "u1");
    let budget = &process.origin.context.budget;
    budget.charge(&settings(), crate::limits::budget::Purpose::Write, MIB as u64, 1).unwrap();
    sleep(Duration::from_secs(130)).await;
    assert_eq!(budget.used(&settings()), Usage::default());
    assert_eq!(budget.used(&other()), stored(&store, &other()), "what is served stays");
    process.stop().await;
}
