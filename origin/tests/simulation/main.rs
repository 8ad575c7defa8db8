//! Whole histories of several origins on one store, told by a seed, on virtual time: clients that write and
//! read, a store that fails in every way, processes that crash, stand still and come back, hands that destroy,
//! KvNamespaces that go and come again. Every answer is judged against what the store's own history says was
//! committed, and at the end everybody must agree.
//!
//! `NEARKV_SEED=n` tells one history again, line by line; `NEARKV_SEEDS=n` sets how many are told.
#![allow(clippy::unwrap_used, reason = "all of this is a test, also what stands outside of its one function")]

mod choice;
mod client;
mod ending;
mod fate;
mod judgement;
mod ledger;
mod life;
mod plan;
mod sim;
mod stored;
mod value;

use std::{
    ops::AddAssign,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};

use self::{client::Client, plan::Plan, sim::Sim};

/// Histories told by `cargo test`.
const SEEDS: u64 = 2000;
/// No history lasts this long on its own clock, unless something hangs.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What a history has shown.
#[derive(Default)]
struct Told {
    swaps: u64,
    manifests: u64,
    stages: u64,
    acknowledged: u64,
    unknown: u64,
}

impl AddAssign for Told {
    fn add_assign(&mut self, other: Self) {
        self.swaps += other.swaps;
        self.manifests += other.manifests;
        self.stages += other.stages;
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
    }
}

fn tell(seed: u64, verbose: bool) -> Result<Told, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let told = runtime.block_on(async { timeout(LONGEST, history(seed, verbose)).await });
    told.unwrap_or_else(|_| Err("the history does not end".to_owned()))
}

async fn history(seed: u64, verbose: bool) -> Result<Told, String> {
    let plan = Plan::of(seed);
    let sim = Sim::new(plan, verbose);
    sim.say(|| format!("{:?}", sim.plan));
    for slot in 0..sim.plan.replicas {
        sim.start(slot, sim.plan.faults.clone());
    }
    sim.create();
    let mut background = JoinSet::new();
    background.spawn(Arc::clone(&sim).govern());
    let mut fate = JoinSet::new();
    fate.spawn(fate::strike(Arc::clone(&sim)));
    if let Some(first) = sim.replica(0) {
        first.origin.set_maintainer(true);
    }
    let mut clients = JoinSet::new();
    for number in 0..sim.plan.clients {
        clients.spawn(Client::new(Arc::clone(&sim), number as u64).live());
    }
    let written: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    fate.shutdown().await;
    let ended = ending::settle(&sim).await;
    sim.end();
    let mut ledger = sim.ledger.lock();
    let mut wrong = std::mem::take(&mut ledger.violations);
    wrong.extend(ended.err());
    wrong.extend(ending::judge(&ledger, &written));
    wrong.iter().for_each(|wrong| sim.say(|| wrong.clone()));
    if let Some(first) = wrong.first() {
        return Err(format!(
            "{first}{}",
            if wrong.len() > 1 { format!(" (and {} more)", wrong.len() - 1) } else { String::new() }
        ));
    }
    let count = |is: fn(&client::Ending) -> bool| written.iter().filter(|one| is(&one.ending)).count() as u64;
    Ok(Told {
        swaps: ledger.swaps,
        manifests: ledger.manifests.len() as u64,
        stages: ledger.stages.len() as u64,
        acknowledged: count(|ending| matches!(ending, client::Ending::Done(_))),
        unknown: count(|ending| *ending == client::Ending::Unknown),
    })
}

#[test]
fn every_promise_is_kept_in_every_history() {
    if let Some(seed) = number("NEARKV_SEED") {
        let told = tell(seed, true).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
        println!(
            "seed {seed}: {} acknowledged, {} unknown, {} swaps",
            told.acknowledged, told.unknown, told.swaps
        );
        return;
    }
    let (seeds, started) = (number("NEARKV_SEEDS").unwrap_or(SEEDS), Instant::now());
    let next = AtomicU64::new(0);
    let one_thread = || {
        let (mut sum, mut failures) = (Told::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return (sum, failures);
            }
            match catch_unwind(AssertUnwindSafe(|| tell(seed, false))) {
                Ok(Ok(told)) => sum += told,
                Ok(Err(wrong)) => failures.push((seed, wrong)),
                Err(_) => failures.push((seed, "panicked".to_owned())),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let (mut all, mut failures) = (Told::default(), Vec::new());
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one_thread)).collect();
        for thread in running {
            let (told, failed) = thread.join().unwrap();
            all += told;
            failures.extend(failed);
        }
    });
    println!(
        "{seeds} histories in {:.1} s: {} writes acknowledged, {} unknown, {} swaps, {} manifests, {} of them stages",
        started.elapsed().as_secs_f64(),
        all.acknowledged,
        all.unknown,
        all.swaps,
        all.manifests,
        all.stages
    );
    failures.sort();
    for (seed, wrong) in failures.iter().take(10) {
        println!("seed {seed}: {wrong}");
        println!("  NEARKV_SEED={seed} cargo test -p nearkv-operator --test simulation -- --nocapture");
    }
    assert!(
        failures.is_empty(),
        "{} of {seeds} histories broke a promise; the first: {:?}",
        failures.len(),
        failures[0]
    );
    // A history that shows nothing proves nothing.
    assert!(all.acknowledged > seeds && all.unknown > seeds / 20 && all.manifests > seeds / 20);
    assert!(all.stages >= seeds / 200);
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}
