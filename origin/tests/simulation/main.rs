//! Whole histories of several origins on one store, told by a seed, on virtual time: clients that write and
//! read, a store that fails in every way, processes that crash, stand still and come back, hands that destroy,
//! KvNamespaces that go and come again. Every answer is judged against what the store's own history says was
//! committed, and at the end everybody must agree.
//!
//! `NEARKV_SEED=n` tells one history again, line by line; `NEARKV_SEEDS=n` sets how many are told, `NEARKV_FIRST=n` the
//! first of them, and `NEARKV_STOP=1` ends with the first that fails.
#![allow(clippy::unwrap_used, reason = "all of this is a test, also what stands outside of its one function")]

mod bulk;
mod choice;
mod client;
mod clock;
mod cluster;
mod damage;
mod declared;
mod deletions;
mod ending;
mod errors;
mod excuse;
mod fate;
mod history;
mod judgement;
mod kinds;
mod ledger;
mod life;
mod long_swap;
mod plan;
mod quota;
mod reads;
mod recency;
mod sim;
mod stored;
mod swaps;
mod told;
mod value;
mod verdict;
mod wounds;
mod writes;

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use self::{history::tell, told::Told};

/// Histories told by `cargo test`: as many as take a minute or two. `NEARKV_SEEDS` tells more.
const SEEDS: u64 = 500;
/// Histories that are told twice.
const TWICE: u64 = 24;
/// Failures that are printed one by one.
const SHOWN: usize = 40;

#[test]
fn every_promise_is_kept_in_every_history() {
    history::watch_for_panics();
    if let Some(seed) = number("NEARKV_SEED") {
        let told = tell(seed, true).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        told.print();
        println!("seed {seed}: trace {:016x}", told.hash);
        return;
    }
    let (seeds, started) = (number("NEARKV_SEEDS").unwrap_or(SEEDS), Instant::now());
    let first = number("NEARKV_FIRST").unwrap_or(0);
    let (next, stop, failed) =
        (AtomicU64::new(first), number("NEARKV_STOP").is_some(), AtomicBool::new(false));
    let one_thread = || {
        let (mut sum, mut failures) = (Told::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds || (stop && failed.load(Ordering::Relaxed)) {
                return (sum, failures);
            }
            match tell(seed, false) {
                Ok(told) => sum.add(&told),
                Err(failure) => {
                    failed.store(true, Ordering::Relaxed);
                    failures.push((seed, failure));
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let (mut all, mut failures) = (Told::default(), Vec::new());
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(one_thread)).collect();
        for thread in running {
            let (told, failed) = thread.join().unwrap();
            all.add(&told);
            failures.extend(failed);
        }
    });
    println!("{seeds} histories in {:.1} s", started.elapsed().as_secs_f64());
    all.print();
    failures.sort_by_key(|(seed, _)| *seed);
    for (seed, failure) in failures.iter().take(SHOWN) {
        println!("seed {seed}: {failure}");
        println!("  NEARKV_SEED={seed} cargo test -p nearkv-origin --test simulation -- --nocapture");
    }
    assert!(
        failures.is_empty(),
        "{} of {seeds} histories broke a promise; the first: seed {}: {}",
        failures.len(),
        failures[0].0,
        failures[0].1
    );
    all.assert_enough(seeds);
}

/// What does not follow from the seed cannot be told again.
#[test]
fn the_same_seed_tells_the_same_history() {
    for seed in 0..number("NEARKV_TWICE").unwrap_or(TWICE) {
        let [one, other] = [(); 2].map(|()| history::trace(seed));
        if one.hash == other.hash {
            continue;
        }
        let same = one.lines.iter().zip(&other.lines).take_while(|(one, other)| one == other).count();
        let (one, other) = (one.lines.get(same), other.lines.get(same));
        panic!("seed {seed}: after {same} lines there is once\n{one:?}\nand once\n{other:?}");
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}
