//! What the engine and its upkeep cost together, counted on the store: the aims of design §6.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use nearkv::{Key, Kv, Mutation, PutOptions, Random, Value};
use tokio::time::{Instant, sleep};

use crate::{
    InitialState, PacingSettings, Settings,
    format::Root,
    metrics::counters::Verb,
    store::{
        Object,
        simulated::{Faults, Simulated},
    },
    tests::rig::{self, Process, config, key, root, settings},
};

const KEYS: u64 = 20_000;
const GRACE: Duration = Duration::from_secs(60);

fn unpaced() -> Settings {
    Settings { pacing: None, grace: GRACE, ..Settings::default() }
}

fn name(n: u64) -> String {
    format!("users/{n:06}/profile")
}

fn pairs(keys: std::ops::Range<u64>) -> stream::BoxStream<'static, Result<Mutation, nearkv::Error>> {
    let put = |n| {
        Ok(Mutation::Put {
            key: Key::new(&name(n)).unwrap(),
            value: Value::Bytes(vec![b'v'; 288].into()),
            options: PutOptions::default(),
        })
    };
    stream::iter(keys.map(put).collect::<Vec<_>>()).boxed()
}

fn bytes_stored(store: &Simulated) -> u64 {
    rig::objects(store).iter().map(|object| Object::clone(object).content.size()).sum()
}

/// Puts of 288 bytes by `clients` at once, until `puts` are acknowledged.
async fn load(process: &Process, clients: u64, puts: u64) {
    let mut running = tokio::task::JoinSet::new();
    for client in 0..clients {
        let origin = Arc::clone(&process.origin);
        running.spawn(async move {
            let random = Random::seeded(client);
            for _ in 0..puts / clients {
                let key = Key::new(&name(random.below(KEYS))).unwrap();
                let value = Value::Bytes(vec![b'w'; 288].into());
                origin.put(&settings(), &key, value, &PutOptions::default()).await.unwrap();
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_puts_by_32_clients_cost_at_most_150_writes_upkeep_included() {
    let store = Simulated::new(1);
    let process = Process::with(&store, 1, unpaced()).await;
    process.origin.set_maintainer(true);
    for start in (0..KEYS).step_by(5000) {
        process.origin.write_many(&settings(), pairs(start..start + 5000)).await.unwrap();
    }
    sleep(GRACE * 3).await;
    let before = store.counters();
    const PUTS: u64 = 64_000;
    load(&process, 32, PUTS).await;
    sleep(GRACE * 3).await;
    let after = store.counters();
    let writes = (after.writes - before.writes) * 1000 / PUTS;
    let amplification = (after.bytes_written - before.bytes_written) as f64 / (PUTS * 288) as f64;
    println!("{writes} writes per 1000 puts, {amplification:.2} bytes per byte of user data");
    let root: Root = root(&store);
    println!(
        "{} objects, {} bytes, {} segments in the root",
        rig::objects(&store).len(),
        bytes_stored(&store),
        root.segments.len()
    );
    assert!(writes <= 150, "{writes} writes per 1000 puts");
    let report = process.origin.report(&settings()).unwrap();
    assert_eq!(report.objects, rig::objects(&store).len() as u64, "garbage is left");
    process.stop().await;
}

/// How many objects live after a load that takes the whole pace.
async fn live_objects_under_load(bytes_per_second: u64, puts: u64) -> u64 {
    let pacing = PacingSettings { bytes_per_second, bytes_burst: 1 << 26 };
    let store = Simulated::new(8);
    let roomy = Settings { pacing: Some(pacing), budget_bytes: 1 << 30, ..Settings::default() };
    let process = Process::with(&store, 8, roomy).await;
    process.origin.set_maintainer(true);
    process.origin.write_many(&settings(), pairs(0..KEYS)).await.unwrap();
    process.origin.pace().empty();
    let started = Instant::now();
    load(&process, 64, puts).await;
    let live = process.origin.report(&settings()).unwrap().objects;
    println!("{live} live objects after {:?}", started.elapsed());
    process.stop().await;
    live
}

/// What commits write has to become pages, and pages that took half of the grace to be written are not named any more.
#[tokio::test(start_paused = true)]
async fn under_a_load_that_takes_all_there_is_the_log_stays_bounded() {
    let live = live_objects_under_load(256 * 1024, 288_000).await;
    // 4500 segments were written; some 100 pages and 600 segments are what a checkpoint is due at.
    assert!(live < 2000, "{live} objects");
}

/// 7 MB of pages at 16 KiB a second take longer than half of the grace, after which no root may name the first.
#[tokio::test(start_paused = true)]
async fn the_log_stays_bounded_where_the_pages_of_a_checkpoint_take_longer_than_a_root_may_name_them() {
    let live = live_objects_under_load(32 * 1024, 288_000).await;
    assert!(live < 2000, "{live} objects");
}

#[tokio::test(start_paused = true)]
async fn a_bulk_of_ten_thousand_pairs_is_some_sixty_segments_one_manifest_and_one_swap() {
    let store = Simulated::new(2);
    let process = Process::with(&store, 2, unpaced()).await;
    process.put("before", "x").await.unwrap();
    let (before, started) = (store.counters().writes, Instant::now());
    let answer = process.origin.write_many(&settings(), pairs(0..10_000)).await.unwrap();
    assert_eq!(answer.body.written, 10_000);
    let writes = store.counters().writes - before;
    println!("{writes} writes in {:?} of virtual time", started.elapsed());
    assert!(writes <= 65, "{writes} writes");
    let other = Process::with(&store.client(), 3, unpaced()).await;
    assert_eq!(other.get(&name(9_999)).await.unwrap().map(|value| value.len()), Some(288));
    assert_eq!(other.get("before").await.unwrap().as_deref(), Some("x"));
    process.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_keys_are_read_in_one_sweep_of_some_hundreds_of_objects() {
    let store = Simulated::new(3);
    let process = Process::with(&store, 3, Settings { budget_bytes: 1 << 30, ..unpaced() }).await;
    process.origin.set_maintainer(true);
    for start in (0..100_000).step_by(10_000) {
        process.origin.write_many(&settings(), pairs(start..start + 10_000)).await.unwrap();
    }
    sleep(GRACE * 3).await;
    process.stop().await;
    let client = store.client();
    let started = Instant::now();
    let other = Process::idle(&client, 4, unpaced());
    other.origin.configure(config("u1"));
    other.origin.initialise(&settings(), InitialState::New).await.unwrap();
    let reads = client.counters().reads;
    println!("{reads} reads in {:?} of virtual time", started.elapsed());
    assert_eq!(other.origin.report(&settings()).unwrap().keys, 100_000);
    assert!(reads < 1200, "{reads} reads");
    assert!(other.origin.get(&settings(), &key(&name(77_777)), &nearkv::GetOptions::default()).await.is_ok());
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_writer_alone_waits_for_one_write_of_the_store_and_never_for_two() {
    let store = Simulated::new(4);
    let process = Process::with(&store, 4, unpaced()).await;
    let mut waits = Vec::new();
    for n in 0..100 {
        let started = Instant::now();
        process.put(&name(n), &"v".repeat(288)).await.unwrap();
        waits.push(started.elapsed());
    }
    let root = root(&store);
    assert!(!root.segments.is_empty() || root.manifest.is_some(), "the records have left the root");
    assert_eq!(waits.iter().max(), waits.iter().min(), "{waits:?}");
    process.stop().await;
}

/// To the store, or back; a commit takes four of them.
const WAY: Duration = Duration::from_millis(6);

/// How many commits it takes until each of 64 writers has written 200 times. One half begins so long after the other;
/// each comes back that long after its answer, and a moment more.
async fn commits_of_writers(half: Duration, after: Duration) -> u64 {
    let store = Simulated::new(5);
    store.set_faults(Faults { latency: WAY..WAY, ..Faults::NONE });
    let process = Process::with(&store, 5, unpaced()).await;
    let mut running = tokio::task::JoinSet::new();
    for writer in 0..64 {
        let (origin, random) = (Arc::clone(&process.origin), Random::seeded(writer));
        running.spawn(async move {
            sleep(half * (writer % 2) as u32).await;
            for round in 0..ROUNDS {
                let value = Value::Bytes(vec![b'w'; 288].into());
                let key = key(&name(writer * ROUNDS + round));
                origin.put(&settings(), &key, value, &PutOptions::default()).await.unwrap();
                sleep(after + random.jitter(WAY / 4)).await;
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    process.stop().await;
    root(&store).writers.values().map(|writer| writer.batch).sum()
}

const ROUNDS: u64 = 200;

/// Two halves, of which one begins while the other's first commit is on its way, do not take turns for ever.
#[tokio::test(start_paused = true)]
async fn writers_who_come_back_soon_are_all_in_nearly_every_commit() {
    let commits = commits_of_writers(WAY / 2, Duration::ZERO).await;
    assert!(commits < ROUNDS * 11 / 10, "{commits} commits for {ROUNDS} writes of each");
}

/// The first of them is not alone in a commit, although the moment that the others are given is over by then.
#[tokio::test(start_paused = true)]
async fn writers_who_take_a_moment_to_come_back_are_all_in_nearly_every_commit() {
    let commits = commits_of_writers(Duration::ZERO, WAY * 2).await;
    assert!(commits < ROUNDS * 11 / 10, "{commits} commits for {ROUNDS} writes of each");
}

/// Those who wrote last time have stopped.
#[tokio::test(start_paused = true)]
async fn who_comes_after_a_pause_waits_for_nobody() {
    let store = Simulated::new(7);
    let process = Process::with(&store, 7, unpaced()).await;
    let alone = async || {
        let started = Instant::now();
        process.put("alone", "v").await.unwrap();
        started.elapsed()
    };
    let before = alone().await;
    load(&process, 64, 640).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(alone().await, before);
    process.stop().await;
}

/// The watch tells of a swap before its answer is there: what it names is in memory already.
#[tokio::test(start_paused = true)]
async fn a_process_reads_nothing_of_what_it_has_written_itself() {
    let store = Simulated::new(6);
    let process = Process::with(&store, 6, unpaced()).await;
    process.origin.set_maintainer(true);
    let requests = &process.origin.context.counters.requests;
    let reads = || requests.iter().map(|verbs| verbs[Verb::Get as usize].took.count()).sum::<u64>();
    let before = reads();
    load(&process, 64, 6400).await;
    let manifest = root(&store).manifest;
    assert!(manifest.is_some(), "segments and manifests were written");
    assert_eq!(reads() - before, 0);
    process.stop().await;
}
