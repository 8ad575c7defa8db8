//! Strokes of fate: crashes, cuts, partitions, processes that stand still, changes of the maintainer, wrong clocks,
//! and KvNamespaces that are declared, changed, deleted and created again.

use std::{sync::Arc, time::Duration};

use nearkv::Random;
use nearkv_origin::{
    DeclaredEntry, DeletionPolicy,
    store::simulated::{Action, Fate, Link, Partition, Way},
};
use tokio::time::sleep;

use crate::{
    choice, cluster::Cluster, damage, excuse::Excuse, long_swap, plan::Plan, sim::Sim, value::value_of,
};

/// The longest that a connection is cut.
const LONGEST_CUT: Duration = Duration::from_secs(30);
/// How far a clock jumps that does.
const LONGEST_JUMP_MS: u64 = 3_600_000;
/// How long a KvNamespace is gone at most.
const LONGEST_GONE: Duration = Duration::from_secs(20);
/// And if it is made anew at once.
const AT_ONCE: Duration = Duration::from_millis(300);
/// Most entries of a declaration.
const DECLARED: u64 = 4;

/// Strikes until it is dropped.
pub(crate) async fn strike(cluster: Arc<Cluster>, sims: Vec<Arc<Sim>>) {
    let random = Random::seeded(cluster.plan.seed.wrapping_mul(0x2545_f491));
    let Some(pause) = cluster.plan.strokes else { return std::future::pending().await };
    loop {
        sleep(random.jitter(pause)).await;
        let slot = random.below(cluster.plan.replicas as u64) as usize;
        let sim = &sims[random.below(sims.len() as u64) as usize];
        if random.below(100) < cluster.plan.people {
            person(sim, &random);
        } else if cluster.plan.long_swaps && random.below(4) > 0 {
            long_swap::strike(&cluster, slot, &random);
        } else {
            machine(&cluster, slot, &random);
        }
    }
}

/// Something happens to a process.
fn machine(cluster: &Arc<Cluster>, slot: usize, random: &Random) {
    let grace = cluster.plan.grace;
    match random.below(100) {
        0..35 => crash(cluster, slot, random),
        35..47 => part(cluster, slot, Link::Cut, random.jitter(LONGEST_CUT)),
        // Now and then for longer than the grace.
        47..57 => part(cluster, slot, Link::Frozen, random.jitter(grace * 2)),
        57..68 => {
            // Each replica has its own, and they overlap.
            for slot in 0..cluster.plan.replicas {
                if random.below(2) == 0 {
                    partition(cluster, slot, random);
                }
            }
        }
        68..84 => {
            // The lease may be believed in by two for a while, or by nobody.
            for replica in cluster.alive() {
                replica.origin.set_maintainer(random.below(2) == 0);
            }
        }
        84..94 if cluster.plan.skews => wrong_clock(cluster, slot, random),
        94..97 => {
            if let Some(replica) = cluster.replica(slot) {
                cluster.say(|| format!("{} will panic", replica.name));
                let actions = [Action::Get, Action::List, Action::Create, Action::Replace, Action::Delete];
                replica.store.order(actions[random.below(5) as usize], Fate::Panics);
            }
        }
        _ => {}
    }
}

/// Ends a process at whatever it does, and starts it again.
pub(crate) fn crash(cluster: &Arc<Cluster>, slot: usize, random: &Random) {
    cluster.crash(slot);
    let (cluster, pause) = (Arc::clone(cluster), random.jitter(Duration::from_secs(5)));
    tokio::spawn(async move {
        sleep(pause).await;
        cluster.start(slot, cluster.plan.faults.clone());
    });
}

/// A person does something with a KvNamespace.
fn person(sim: &Arc<Sim>, random: &Random) {
    let Plan { damage, rebirths, declares, changes, .. } = sim.plan;
    match random.below(100) {
        0..20 if damage => damage::strike(sim),
        20..30 if damage => damage::repair(sim, random),
        0..45 if rebirths => {
            if sim.config().is_some() {
                sim.delete();
            }
            let again = Arc::clone(sim);
            // At once, while writes to the one before are in flight, or later.
            let longest = if random.below(4) == 0 { LONGEST_GONE } else { AT_ONCE };
            let pause = random.jitter(longest);
            tokio::spawn(async move {
                sleep(pause).await;
                if again.config().is_none() {
                    again.create();
                }
            });
        }
        0..80 if declares => declare(sim, random),
        80..90 if changes => {
            let most = 1 + random.below(sim.plan.keys + 2);
            sim.change(|config| config.quota.max_keys = most);
        }
        // What is gone before the change is in force goes by the policy before.
        90..100 if changes && !rebirths => sim.change(|config| {
            config.deletion_policy = match config.deletion_policy {
                DeletionPolicy::Delete => DeletionPolicy::Retain,
                DeletionPolicy::Retain => DeletionPolicy::Delete,
            };
        }),
        _ => {}
    }
}

fn part(cluster: &Arc<Cluster>, slot: usize, link: Link, duration: Duration) {
    let Some(replica) = cluster.replica(slot) else { return };
    cluster.say(|| format!("{link:?} {} for {duration:?}", replica.name));
    replica.set_link(link);
    tokio::spawn(async move {
        sleep(duration).await;
        replica.set_link(Link::Up);
    });
}

fn partition(cluster: &Arc<Cluster>, slot: usize, random: &Random) {
    let Some(replica) = cluster.replica(slot) else { return };
    let verbs = [Action::Get, Action::List, Action::Create, Action::Replace, Action::Delete, Action::Watch];
    let action = verbs.get(random.below(8) as usize).copied();
    let way = if random.below(2) == 0 { Way::There } else { Way::Back };
    let (begins, lasts) = (random.jitter(LONGEST_CUT / 3), random.jitter(LONGEST_CUT));
    let cluster = Arc::clone(cluster);
    tokio::spawn(async move {
        sleep(begins).await;
        cluster.say(|| format!("{} loses {action:?} {way:?} for {lasts:?}", replica.name));
        replica.store.set_partition(Some(Partition { action, way }));
        sleep(lasts).await;
        replica.store.set_partition(None);
    });
}

fn wrong_clock(cluster: &Cluster, slot: usize, random: &Random) {
    let Some(replica) = cluster.replica(slot) else { return };
    match random.below(4) {
        0 => replica.clock.set_skew_ms(random.below(2 * LONGEST_JUMP_MS) as i64 - LONGEST_JUMP_MS as i64),
        1 => replica.clock.stop(),
        _ => replica.clock.set_skew_ms(random.below(10_000) as i64 - 5_000),
    }
}

/// The controller of some replica commits the next generation of a declaration.
fn declare(sim: &Arc<Sim>, random: &Random) {
    let alive = sim.cluster.alive();
    if alive.is_empty() {
        return;
    }
    let replica = Arc::clone(&alive[random.below(alive.len() as u64) as usize]);
    let mut entries: Vec<DeclaredEntry> = Vec::new();
    for _ in 0..random.below(DECLARED + 1) {
        let (key, number) = (choice::key(random.below(sim.plan.keys)), sim.number());
        if entries.iter().all(|entry| entry.key != key) {
            let length = if random.below(8) == 0 { 6000 } else { random.below(40) as usize };
            let value = value_of(number, length).into();
            entries.push(DeclaredEntry { key, value, metadata: None, expiration: None });
        }
    }
    let Some(declaration) = sim.declaration(entries) else { return };
    let sim = Arc::clone(sim);
    tokio::spawn(async move {
        let declared = tokio::select! {
            biased;
            () = replica.dead.cancelled() => return sim.excuse(Excuse::Crashed),
            declared = replica.origin.declare(&sim.namespace, declaration.clone()) => declared,
        };
        sim.say(|| format!("  {} declares {}: {declared:?}", replica.name, declaration.generation));
        match declared {
            Ok(outcome) => sim.check(|ledger| ledger.declared(&declaration, &outcome)),
            Err(error) => sim.judge_declaration(&replica, &error),
        }
    });
}
