//! The pace when it is used up: every write has its answer by its deadline, and who waits longest goes first (design §6
//! invariant 9).

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, future::join_all, stream};
use nearkv::{Error, Kv, Mutation, Namespace, PutOptions, Reason, Value};
use tokio::time::{Instant, sleep};

use crate::{
    InitialState, NamespaceConfig, Origin, PacingSettings, Settings,
    store::simulated::{Faults, Simulated},
    tests::rig::{Process, config, key, settings},
};

/// A commit of a small root takes some 2 KiB of it.
const RATE: u64 = 64 * 1024;
/// Commits that wait for the rate longer than the deadline of a write, if all wait.
const KVNAMESPACES: u64 = 500;
/// What an answer may take beyond the deadline: the way to the store and back.
const LATE_MOST: Duration = Duration::from_millis(200);

fn deadline() -> Duration {
    Settings::default().write_deadline
}

fn paced(bytes_per_second: u64) -> Settings {
    let pacing = PacingSettings { bytes_per_second, bytes_burst: 16 * 1024 * 1024 };
    Settings { pacing: Some(pacing), ..Settings::default() }
}

async fn serve(process: &Process, namespace: &Namespace) {
    let config = NamespaceConfig { namespace: namespace.clone(), ..config(namespace.name()) };
    process.origin.configure(config);
    process.origin.initialise(namespace, InitialState::New).await.unwrap();
}

async fn put(origin: &Origin, namespace: &Namespace, bytes: usize) -> (Result<(), Error>, Duration) {
    let (started, value) = (Instant::now(), Value::Bytes(vec![b'v'; bytes].into()));
    let put = origin.put(namespace, &key("k"), value, &PutOptions::default()).await;
    (put.map(drop), started.elapsed())
}

/// The refusal is a 429 that says when to come again.
fn retry_after(refusal: &Error) -> Duration {
    assert_eq!(refusal.reason(), Reason::Throttled, "{refusal}");
    refusal.retry_after().unwrap()
}

#[tokio::test(start_paused = true)]
async fn while_many_kvnamespaces_write_more_than_the_pace_each_has_its_turn_and_every_answer_by_its_deadline()
{
    let store = Simulated::new(51);
    let process = Process::idle(&store, 1, paced(RATE));
    let name = |n: u64| Namespace::new("team-a", &format!("n{n}")).unwrap();
    let namespaces: Vec<Namespace> = (0..KVNAMESPACES).map(name).collect();
    join_all(namespaces.iter().map(|namespace| serve(&process, namespace))).await;
    process.origin.pace().empty();
    let clients = namespaces.iter().map(|namespace| {
        let (origin, start) = (Arc::clone(&process.origin), Instant::now());
        async move {
            let (mut written, mut refused, mut longest) = (0, 0, Duration::ZERO);
            while start.elapsed() < Duration::from_secs(60) {
                let (answer, took) = put(&origin, namespace, 100).await;
                longest = longest.max(took);
                match answer {
                    Ok(()) => written += 1,
                    Err(refusal) => {
                        refused += 1;
                        sleep(retry_after(&refusal)).await;
                    }
                }
            }
            (written, refused, longest)
        }
    });
    let told = join_all(clients).await;
    let (written, refused): (u64, u64) = told.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let longest = told.iter().map(|one| one.2).max().unwrap();
    let fewest = told.iter().map(|one| one.0).min().unwrap();
    println!("{written} written, {refused} refused, at least {fewest} of each, longest {longest:?}");
    assert!(refused > 0, "the pace is not used up");
    assert!(longest <= deadline() + LATE_MOST, "{longest:?}");
    assert!(fewest >= 1, "somebody had no turn in a minute");
    process.stop().await;
}

/// One client writes many long values at once, as an import does.
#[tokio::test(start_paused = true)]
async fn who_writes_much_does_not_hold_up_a_small_write_elsewhere() {
    let store = Simulated::new(52);
    let process = Process::idle(&store, 1, paced(1024 * 1024));
    let (hog, small) = (settings(), Namespace::new("team-b", "small").unwrap());
    for namespace in [&hog, &small] {
        serve(&process, namespace).await;
    }
    process.origin.pace().empty();
    let hogging: Vec<_> = (0..40)
        .map(|_| {
            let (origin, hog) = (Arc::clone(&process.origin), hog.clone());
            tokio::spawn(async move { while put(&origin, &hog, 200_000).await.1 < deadline() * 9 {} })
        })
        .collect();
    sleep(Duration::from_secs(5)).await;
    for _ in 0..20 {
        let (answer, took) = put(&process.origin, &small, 100).await;
        answer.unwrap();
        assert!(took < Duration::from_secs(1), "{took:?}");
        sleep(Duration::from_millis(100)).await;
    }
    hogging.into_iter().for_each(|hogging| hogging.abort());
    process.stop().await;
}

/// A bulk has more time than a single write, and holds the committer for as long.
#[tokio::test(start_paused = true)]
async fn a_write_behind_a_bulk_that_takes_long_has_its_answer_by_its_own_deadline() {
    let store = Simulated::new(53);
    let process = Process::idle(&store, 1, paced(RATE));
    serve(&process, &settings()).await;
    process.origin.pace().empty();
    let origin = Arc::clone(&process.origin);
    let bulk = tokio::spawn(async move {
        let put = |n: u64| {
            let value = Value::Bytes(vec![b'v'; 4000].into());
            Ok(Mutation::Put { key: key(&format!("k{n}")), value, options: PutOptions::default() })
        };
        let started = Instant::now();
        let answer = origin.write_many(&settings(), stream::iter((0..1000).map(put)).boxed()).await;
        (answer.map(drop), started.elapsed())
    });
    sleep(Duration::from_secs(1)).await;
    let namespace = settings();
    let puts = join_all((0..20).map(|_| put(&process.origin, &namespace, 100))).await;
    for (answer, took) in puts {
        let refusal = answer.unwrap_err();
        assert!(refusal.retry_after().is_some(), "{refusal}");
        assert!(took <= deadline() + LATE_MOST, "{took:?}");
    }
    let (answer, took) = bulk.await.unwrap();
    println!("the bulk: {answer:?} after {took:?}");
    assert!(took > deadline(), "the bulk did not hold anybody up");
    process.stop().await;
}

/// What was answered as not written must not be written after all.
#[tokio::test(start_paused = true)]
async fn what_was_refused_while_it_waited_for_the_pace_is_never_written() {
    let store = Simulated::new(54);
    let process = Process::idle(&store, 1, paced(RATE));
    serve(&process, &settings()).await;
    process.origin.pace().empty();
    process.origin.pace().take_over(-(RATE as i64) * 20);
    let puts = (0..50u64).map(|n| {
        let process = &process;
        async move {
            sleep(Duration::from_millis(400) * n as u32).await;
            let name = format!("k{n}");
            process.put(&name, "v").await.map(|_| name.clone()).map_err(|refusal| {
                retry_after(&refusal);
                name
            })
        }
    });
    let told = join_all(puts).await;
    let (written, refused): (Vec<_>, Vec<_>) = told.into_iter().partition(Result::is_ok);
    assert!(!written.is_empty() && !refused.is_empty(), "{written:?} {refused:?}");
    sleep(Duration::from_secs(60)).await;
    let mut expected: Vec<String> = written.into_iter().map(Result::unwrap).collect();
    expected.sort();
    assert_eq!(process.keys().await, expected);
    process.stop().await;
}

/// t0: a commit is sent to a store that takes 6 s for everything. 0.1 s: 60 puts of 4 KB queue. 6 s: they are taken, and their
/// segments are created, which takes until 12 s. 10.1 s: their deadline.
#[tokio::test(start_paused = true)]
async fn what_is_refused_while_its_segments_are_created_is_not_in_the_swap() {
    let store = Simulated::new(55);
    let process = Process::start(&store, 1).await;
    let way = Duration::from_secs(3);
    store.set_faults(Faults { latency: way..way, ..Faults::NONE });
    let (first, rest) = tokio::join!(process.put("first", "v"), async {
        sleep(Duration::from_millis(100)).await;
        let puts = (0..60).map(|n| {
            let (process, name, value) = (&process, format!("late-{n}"), "v".repeat(4000));
            async move { process.put(&name, &value).await }
        });
        join_all(puts).await
    });
    first.unwrap();
    for put in rest {
        let refusal = put.unwrap_err();
        assert_eq!(refusal.reason(), Reason::Unavailable, "{refusal}");
    }
    sleep(Duration::from_secs(30)).await;
    assert_eq!(process.keys().await, ["first"]);
    process.kill();
}
