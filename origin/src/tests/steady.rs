//! A modest steady load for long: what it sends to the store, and that the budget never refuses it (design §6 invariants 8
//! and 9).

use std::{sync::Arc, time::Duration};

use nearkv::{Kv, PutOptions, Random, Value};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::{
    Settings,
    store::simulated::{Faults, Simulated},
    tests::rig::{Process, key, settings},
};

const KEYS: u64 = 10_000;
/// Between two puts: 200 a second.
const EVERY: Duration = Duration::from_millis(5);
/// As an API server with an etcd on a disk takes it, to and fro.
const WAY: Duration = Duration::from_millis(4);
const MINUTE: Duration = Duration::from_secs(60);
/// A fifth of the usual one. What lies about is what was written within it, so a quarter of the usual budget has little more
/// room for it than the whole has usually.
const GRACE: Duration = Duration::from_secs(120);
const BUDGET_SHARE: u64 = 4;
/// Garbage of the first minutes has gone by then, and what has come since is as it stays.
const WARM: usize = 4;
const MEASURED: usize = 2;

#[tokio::test(start_paused = true)]
async fn two_hundred_puts_a_second_are_never_refused_and_keep_the_pace() {
    let store = Simulated::new(61);
    store.set_faults(Faults { latency: WAY..WAY, ..Faults::NONE });
    let usual = Settings::default();
    let most = Settings {
        grace: GRACE,
        budget_bytes: usual.budget_bytes / BUDGET_SHARE,
        budget_objects: usual.budget_objects / BUDGET_SHARE,
        ..usual
    };
    let process = Process::with(&store, 1, most).await;
    process.origin.set_maintainer(true);
    let random = Random::seeded(61);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut puts = JoinSet::new();
    let (mut used, mut sent) = (Vec::new(), Vec::new());
    let (mut minute, mut before) = (Instant::now(), store.counters().bytes_written);
    while sent.len() < WARM + MEASURED {
        ticks.tick().await;
        let (origin, name) =
            (Arc::clone(&process.origin), format!("users/{:05}/profile", random.below(KEYS)));
        puts.spawn(async move {
            let value = Value::Bytes(vec![b'w'; 288].into());
            origin.put(&settings(), &key(&name), value, &PutOptions::default()).await
        });
        while let Some(put) = puts.try_join_next() {
            put.unwrap().expect("no put is refused");
        }
        if minute.elapsed() >= MINUTE {
            minute += MINUTE;
            let counters = store.counters();
            let writes = counters.writes;
            sent.push(counters.bytes_written - before);
            before = counters.bytes_written;
            used.push(process.origin.context.budget.total().bytes);
            println!(
                "minute {}: {} KiB sent, {writes} writes so far, {} KiB and {} objects used, level {:?}",
                sent.len(),
                sent[sent.len() - 1] >> 10,
                used[used.len() - 1] >> 10,
                process.origin.context.budget.total().objects,
                process.origin.pace().level()
            );
        }
    }
    let used = &used[WARM..];
    assert!(used.iter().all(|used| *used < most.budget_bytes * 3 / 4), "{used:?} bytes");
    let objects = process.origin.context.budget.total().objects;
    assert!(objects < most.budget_objects * 3 / 4, "{objects} objects");
    let (sent, pace) = (&sent[WARM..], most.pacing.unwrap().bytes_per_second);
    assert!(
        sent.iter().all(|sent| *sent < pace * MINUTE.as_secs()),
        "{sent:?} bytes a minute use the pace up"
    );
    sleep(MINUTE).await;
    process.stop().await;
}
