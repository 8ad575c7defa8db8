//! The budget when it is used up: what is left to do, and that it does not stay so.

use std::time::Duration;

use futures::{StreamExt, future::join_all, stream};
use nearkv::{DeleteOptions, Kv, Mutation, PutOptions, Reason, Value};
use tokio::time::sleep;

use crate::{
    Settings,
    store::simulated::Simulated,
    tests::rig::{Process, key, settings},
};

/// Half of it for the pages of [`KEYS`].
const BUDGET: u64 = 16 * 1024 * 1024;
/// With values of [`VALUE_BYTES`] about 7 MB as pages or log.
const KEYS: u64 = 20_000;
const VALUE_BYTES: usize = 288;
/// How long who was refused waits before trying again.
const PAUSE: Duration = Duration::from_secs(60);
/// Garbage goes within the grace and two rounds of the collector.
const PATIENCE: Duration = Duration::from_secs(600 + 2 * 60);

fn name(n: u64) -> String {
    format!("user/{n:06}")
}

fn put(n: u64) -> Result<Mutation, nearkv::Error> {
    let value = Value::Bytes(vec![b'v'; VALUE_BYTES].into());
    Ok(Mutation::Put { key: key(&name(n)), value, options: PutOptions::default() })
}

fn delete(n: u64) -> Result<Mutation, nearkv::Error> {
    Ok(Mutation::Delete { key: key(&name(n)), options: DeleteOptions::default() })
}

async fn start(seed: u64) -> Process {
    let tight = Settings { pacing: None, budget_bytes: BUDGET, ..Settings::default() };
    let process = Process::with(&Simulated::new(seed), seed, tight).await;
    process.origin.set_maintainer(true);
    process
}

async fn write(process: &Process, mutations: Vec<Result<Mutation, nearkv::Error>>) -> Result<(), Reason> {
    let written = process.origin.write_many(&settings(), stream::iter(mutations).boxed()).await;
    written.map(drop).map_err(|error| error.reason())
}

/// Tries until there is room, and answers how long there was none.
async fn write_patiently(process: &Process, keys: std::ops::Range<u64>) -> Duration {
    let mut waited = Duration::ZERO;
    while let Err(reason) = write(process, keys.clone().map(put).collect()).await {
        assert_eq!(reason, Reason::BudgetExceeded);
        sleep(PAUSE).await;
        waited += PAUSE;
        assert!(waited <= PATIENCE, "there was no room for {waited:?}");
    }
    waited
}

/// Pages, a log of their size and the pages of the next checkpoint do not fit in together.
#[tokio::test(start_paused = true)]
async fn a_budget_that_is_full_of_log_becomes_free_again() {
    let process = start(31).await;
    let mut waits = Vec::new();
    for round in 0..100 {
        let start = round * 1777 % (KEYS - 2000);
        waits.push(if round < 10 {
            write_patiently(&process, round * 2000..(round + 1) * 2000).await
        } else {
            write_patiently(&process, start..start + 2000).await
        });
    }
    let waited = waits.iter().filter(|wait| !wait.is_zero()).count();
    assert!(waited > 0, "the budget was never full, so nothing was shown");
    assert!(waited < waits.len() / 5, "after most of the waits there is room for several writes: {waits:?}");
    assert_eq!(process.keys().await.len() as u64, KEYS);
    process.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_full_of_entries_is_emptied_by_deleting_them() {
    let process = start(32).await;
    let mut keys = 0;
    let refused = loop {
        if let Err(reason) = write(&process, (keys..keys + 1000).map(put).collect()).await {
            break reason;
        }
        keys += 1000;
        sleep(PAUSE * 20).await;
    };
    assert!(keys > KEYS && refused == Reason::BudgetExceeded, "{keys} keys, then {refused:?}");
    // Deletions come all the time among puts that are refused, and are committed together with them.
    let moment = Duration::from_millis(1);
    let puts = join_all((0..400).map(|n| {
        let (name, value) = (format!("more/{n}"), "v".repeat(2000));
        let process = &process;
        async move {
            let mut refused = 0;
            for _ in 0..20 {
                refused += u64::from(process.put(&name, &value).await.is_err());
                sleep(moment).await;
            }
            refused
        }
    }));
    let deletions = join_all((0..40).map(|n| {
        let (name, process) = (name(keys - 1 - n), &process);
        async move {
            sleep(moment * (n % 20) as u32).await;
            process.delete(&name).await
        }
    }));
    let (refused, deletions) = tokio::join!(puts, deletions);
    assert!(refused.iter().sum::<u64>() > 1000, "few of the puts are refused");
    for deletion in deletions {
        deletion.unwrap();
    }
    for start in (0..keys / 2).step_by(1000) {
        let deleted = write(&process, (start..start + 1000).map(delete).collect()).await;
        assert_eq!(deleted, Ok(()), "{start}");
    }
    let waited = write_patiently(&process, 0..1000).await;
    assert!(!waited.is_zero(), "the budget was not full any more, so nothing was shown");
    process.stop().await;
}
