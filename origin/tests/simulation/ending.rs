//! The end of a history: peace, and then everybody must agree with the ledger, nothing may lie about, and writes are
//! taken again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use nearkv::{GetOptions, Kv, ListOptions, Lookup, PutOptions, Reason, Value};
use nearkv_origin::{
    OnLoss, Quota,
    format::{LABEL_PART, Part, root_name},
    store::{
        Object, ObjectName,
        simulated::{Faults, Link},
    },
};
use tokio::time::{Instant, sleep};

use crate::{
    choice,
    cluster::{Cluster, Replica},
    excuse::Excuse,
    ledger::Cause,
    sim::Sim,
    value::{number_of, value_of},
    wounds::Lost,
};

/// Requests that are under way land within this.
const LATEST: Duration = Duration::from_secs(90);
/// Agreement and collection take at most this and four times the grace.
const PATIENCE: Duration = Duration::from_secs(240);
/// A budget that is used up becomes free within this, by design §6: ended entries stay a minute.
const ROOM: Duration = Duration::from_secs(20 * 60);

/// Makes peace with the processes.
pub(crate) async fn peace(cluster: &Arc<Cluster>, sims: &[Arc<Sim>]) {
    cluster.say(|| "peace".to_owned());
    for slot in 0..cluster.plan.replicas {
        match cluster.replica(slot) {
            Some(replica) => calm(&replica),
            None => cluster.start(slot, Faults::NONE),
        }
    }
    for sim in sims.iter().filter(|sim| sim.config().is_none()) {
        sim.create();
    }
    sleep(LATEST).await;
    // Those that were to be started by fate have faults: no longer.
    for replica in cluster.alive() {
        calm(&replica);
        for config in sims.iter().filter_map(|sim| sim.config()) {
            replica.origin.configure(config);
        }
    }
    if let Some(maintainer) = cluster.replica(0) {
        maintainer.origin.set_maintainer(true);
    }
}

fn calm(replica: &Replica) {
    replica.store.set_faults(Faults::NONE);
    replica.store.set_partition(None);
    replica.store.forget_orders();
    replica.set_link(Link::Up);
    replica.clock.set_skew_ms(0);
    replica.origin.set_maintainer(false);
}

/// Waits until everybody agrees with the ledger.
pub(crate) async fn settle(sim: &Arc<Sim>) -> Result<(), String> {
    repair_roots(sim).await?;
    let (nothing, mut repaired) = (Lost::default(), false);
    let mut give_up = Instant::now() + PATIENCE + sim.plan.grace * 4;
    loop {
        let Err(wrong) = agreement(sim, &nothing).await.and_then(|()| tidiness(sim, true)) else { break };
        if Instant::now() < give_up {
            sleep(Duration::from_secs(5)).await;
            continue;
        }
        if sim.ledger.lock().wounded().is_empty() {
            return Err(format!("at the end {wrong}"));
        }
        let said = sim.cluster.alive().iter().any(|replica| health(sim, replica) == "PartDamaged");
        if said && !repaired {
            // What is lost may have named values that nothing else names: those are kept until it is repaired.
            tidiness(sim, false)?;
            repair_parts(sim).await?;
            (repaired, give_up) = (true, Instant::now() + PATIENCE + sim.plan.grace * 4);
            continue;
        }
        // Values whose chunks are destroyed stay lost. All else must be right.
        let lost = {
            let ledger = sim.ledger.lock();
            ledger.newest().map(|(incarnation, _)| ledger.wounds.lost(incarnation)).unwrap_or_default()
        };
        agreement(sim, &lost)
            .await
            .and_then(|()| tidiness(sim, true))
            .map_err(|wrong| format!("at the end {wrong}"))?;
        break;
    }
    takes_writes(sim).await
}

fn health(sim: &Sim, replica: &Replica) -> &'static str {
    replica.origin.report(&sim.namespace).map_or("not configured", |report| report.health.as_str())
}

fn number(sim: &Sim, replica: &Replica) -> Option<u64> {
    replica.origin.report(&sim.namespace)?.version.map(|version| version.number)
}

/// A person who sees a damaged root has it written anew by the replica that remembers most.
async fn repair_roots(sim: &Arc<Sim>) -> Result<(), String> {
    for _ in 0..20 {
        let broken = |replica: &Arc<Replica>| matches!(health(sim, replica), "RootMissing" | "RootDamaged");
        let alive = sim.cluster.alive();
        if !alive.iter().any(broken) {
            return Ok(());
        }
        let remembering = alive.into_iter().filter(|replica| number(sim, replica).is_some());
        let Some(best) = remembering.max_by_key(|replica| number(sim, replica)) else {
            // Nobody remembers anything: the person gives the data up, and the KvNamespace with them.
            sim.excuse(Excuse::GivenUp);
            sim.by(Cause::Hand, || sim.store.world().remove(&root_name(&sim.namespace)));
            sim.delete();
            sleep(Duration::from_secs(30)).await;
            sim.create();
            sleep(Duration::from_secs(30)).await;
            continue;
        };
        let repaired = best.origin.repair(&sim.namespace, OnLoss::Accept).await;
        sim.say(|| format!("repair by {}: {repaired:?}", best.name));
        sleep(Duration::from_secs(15)).await;
    }
    Err("the root cannot be repaired".to_owned())
}

/// A person who sees that parts stay damaged has the data written anew without what is lost.
async fn repair_parts(sim: &Arc<Sim>) -> Result<(), String> {
    let alive = sim.cluster.alive().into_iter();
    let best = alive.max_by_key(|replica| (health(sim, replica) == "Ready", number(sim, replica)));
    let Some(best) = best else { return Err("nobody is there".to_owned()) };
    let repaired = best.origin.repair(&sim.namespace, OnLoss::Accept).await;
    sim.say(|| format!("repair of parts by {}: {repaired:?}", best.name));
    repaired.map(drop).map_err(|error| format!("damaged parts cannot be repaired: {error}"))
}

/// Every replica shows exactly what was committed; of what is lost it says so.
async fn agreement(sim: &Arc<Sim>, lost: &Lost) -> Result<(), String> {
    for replica in sim.cluster.alive() {
        let name = &replica.name;
        let health = health(sim, &replica);
        if health != "Ready" {
            return Err(format!("{name} is {health}"));
        }
        let page = replica.origin.list(&sim.namespace, &ListOptions::default()).await;
        let page = page.map_err(|error| format!("{name} does not list: {error}"))?;
        let (wanted, newest) = {
            let ledger = sim.ledger.lock();
            let (incarnation, life) = ledger.newest().ok_or("there is no root")?;
            let version = page.state.version;
            if (version.incarnation.to_string().as_str(), version.number) != (incarnation, life.newest()) {
                return Err(format!(
                    "{name} is at {version}, and {incarnation}.{} is the newest",
                    life.newest()
                ));
            }
            (life.state(life.newest()), life.newest())
        };
        let now = sim.now();
        let live =
            wanted.iter().filter(|(_, (_, put))| !put.expiration.is_some_and(|end| end.has_passed(now)));
        let live: Vec<_> = live.collect();
        let listed: Vec<_> = page.body.keys.iter().map(|listed| &listed.name).collect();
        if live.iter().map(|(key, _)| *key).collect::<Vec<_>>() != listed {
            return Err(format!("{name} lists {listed:?} at {newest}"));
        }
        for (key, (version, put)) in live {
            let answer = replica.origin.get(&sim.namespace, key, &GetOptions::default()).await;
            let answer = answer.map_err(|error| format!("{name} does not show {key:?}: {error}"))?;
            let Lookup::Found(entry) = answer.body else {
                return Err(format!("{name} has no {key:?}"));
            };
            let shown = entry.version.number;
            let bytes = match entry.value.into_bytes().await {
                Ok(bytes) => bytes,
                Err(_) if lost.has(key) => {
                    sim.excuse(Excuse::LossReported);
                    continue;
                }
                Err(error) => return Err(format!("{name}: {key:?}: {error}")),
            };
            let committed = sim.ledger.lock().value(&put.value)?;
            if number_of(&bytes)? != number_of(&committed)? || shown != *version {
                return Err(format!("{name} shows another {key:?}"));
            }
        }
    }
    Ok(())
}

/// Nothing is left that the root does not reach; chunks of values only where it `knows` all that it says.
fn tidiness(sim: &Sim, knows: bool) -> Result<(), String> {
    let ledger = sim.ledger.lock();
    let reachable = ledger.reachable();
    let goes = |object: &Object| {
        object.meta.labels.get(LABEL_PART).is_some_and(|part| knows || part != Part::Value.as_str())
    };
    let left: BTreeSet<&ObjectName> = ledger
        .objects
        .iter()
        .filter(|(name, object)| goes(object) && !reachable.contains(*name))
        .map(|(name, _)| name)
        .collect();
    match left.first() {
        Some(first) => Err(format!("{} unreachable objects are left, {first} first", left.len())),
        None => Ok(()),
    }
}

/// Every replica takes a write again, whatever has been.
async fn takes_writes(sim: &Arc<Sim>) -> Result<(), String> {
    // So that only the budget can stand in the way.
    sim.change(|config| config.quota = Quota::default());
    sleep(Duration::from_secs(5)).await;
    // No declaration has it.
    let key = choice::key(sim.plan.keys);
    for replica in sim.cluster.alive() {
        let give_up = Instant::now() + ROOM;
        loop {
            let value = Value::Bytes(value_of(sim.number(), 10).into());
            match replica.origin.put(&sim.namespace, &key, value, &PutOptions::default()).await {
                Ok(_) => break,
                Err(error) if error.reason() == Reason::BudgetExceeded && sim.plan.tight_budget => {
                    if Instant::now() > give_up {
                        // The living may fill it.
                        sim.excuse(Excuse::NoRoom);
                        return sim.cluster.is_full_of_the_living();
                    }
                    sleep(Duration::from_secs(10)).await;
                }
                Err(error) => return Err(format!("at the end {} takes no write: {error}", replica.name)),
            }
        }
    }
    Ok(())
}
