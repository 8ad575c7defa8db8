//! The end of a history: peace, and then everybody must agree, and nothing may lie about.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use nearkv::{GetOptions, Kv, ListOptions, Lookup};
use nearkv_origin::{
    OnLoss,
    format::{LABEL_PART, root_name},
    store::{
        ObjectName,
        simulated::{Faults, Link},
    },
};
use tokio::time::sleep;

use crate::{
    client::{Ending, Written},
    ledger::Ledger,
    sim::{Replica, Sim},
    value::number_of,
};

/// Requests that are under way land within this.
const LATEST: Duration = Duration::from_secs(90);
/// Agreement and collection take at most this and four times the grace.
const PATIENCE: Duration = Duration::from_secs(240);

/// Makes peace, and waits until everybody agrees with the ledger.
pub(crate) async fn settle(sim: &Arc<Sim>) -> Result<(), String> {
    sim.say(|| "peace".to_owned());
    for slot in 0..sim.plan.replicas {
        match sim.replica(slot) {
            Some(replica) => {
                replica.store.set_faults(Faults::NONE);
                replica.store.set_link(Link::Up);
                replica.clock.set_skew_ms(0);
                replica.origin.set_maintainer(false);
            }
            None => sim.start(slot, Faults::NONE),
        }
    }
    if sim.config().is_none() {
        sim.create();
    }
    sleep(LATEST).await;
    // Those that were to be started by fate have faults: no longer.
    for replica in sim.alive() {
        replica.store.set_faults(Faults::NONE);
        replica.store.set_link(Link::Up);
        if let Some(config) = sim.config() {
            replica.origin.configure(config);
        }
    }
    let maintainer = sim.replica(0).ok_or("nobody is there")?;
    maintainer.origin.set_maintainer(true);
    repair(sim).await?;
    let give_up = tokio::time::Instant::now() + PATIENCE + sim.plan.grace * 4;
    loop {
        let wrong = agreement(sim).await.and_then(|()| tidiness(sim));
        match wrong {
            Ok(()) => return Ok(()),
            Err(wrong) if tokio::time::Instant::now() > give_up => {
                let ledger = sim.ledger.lock();
                let wounded = ledger.reachable().intersection(&ledger.wounded).next().is_some();
                let named = ledger.wounded.iter().any(|name| wrong.contains(&name.to_string()));
                drop(ledger);
                // What hands have destroyed may be lost for good, if it is said so: by the health, or by the read of a value.
                let said = sim.alive().iter().any(|replica| health(sim, replica) == "PartDamaged");
                return if wounded && (said || named) { Ok(()) } else { Err(format!("at the end {wrong}")) };
            }
            Err(_) => sleep(Duration::from_secs(5)).await,
        }
    }
}

fn health(sim: &Sim, replica: &Replica) -> &'static str {
    replica.origin.report(&sim.namespace).map_or("not configured", |report| report.health.as_str())
}

/// A person who sees a damaged root has it written anew by the replica that remembers most.
async fn repair(sim: &Arc<Sim>) -> Result<(), String> {
    for _ in 0..20 {
        let broken = |replica: &Arc<Replica>| matches!(health(sim, replica), "RootMissing" | "RootDamaged");
        if !sim.alive().iter().any(broken) {
            return Ok(());
        }
        let number = |replica: &Arc<Replica>| {
            let report = replica.origin.report(&sim.namespace);
            report.and_then(|report| report.version).map(|version| version.number)
        };
        let best = sim.alive().into_iter().filter(|replica| number(replica).is_some()).max_by_key(number);
        let Some(best) = best else {
            // Nobody remembers anything: the person gives the data up, and the KvNamespace with them.
            sim.by_hand(|| sim.store.world().remove(&root_name(&sim.namespace)));
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

/// Every replica shows exactly what was committed.
async fn agreement(sim: &Arc<Sim>) -> Result<(), String> {
    for replica in sim.alive() {
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
            let bytes =
                entry.value.into_bytes().await.map_err(|error| format!("{name}: {key:?}: {error}"))?;
            let committed = sim.ledger.lock().value(&put.value)?;
            if number_of(&bytes)? != number_of(&committed)? || shown != *version {
                return Err(format!("{name} shows another {key:?}"));
            }
        }
    }
    Ok(())
}

/// Nothing is left that the root does not reach.
fn tidiness(sim: &Sim) -> Result<(), String> {
    let ledger = sim.ledger.lock();
    let reachable = ledger.reachable();
    let left: BTreeSet<&ObjectName> = ledger
        .objects
        .iter()
        .filter(|(name, object)| object.meta.labels.contains_key(LABEL_PART) && !reachable.contains(*name))
        .map(|(name, _)| name)
        .collect();
    match left.first() {
        Some(first) => Err(format!("{} unreachable objects are left, {first} first", left.len())),
        None => Ok(()),
    }
}

/// Every write was committed as often as its client was told.
pub(crate) fn judge(ledger: &Ledger, written: &[Written]) -> Option<String> {
    written.iter().find_map(|Written { number, key, ending }| {
        let places = ledger.landed.get(number).map_or(&[][..], Vec::as_slice);
        let wrong = match ending {
            Ending::Done(Some(version)) => places != [(version.incarnation.to_string(), version.number)],
            Ending::Refused(_) => !places.is_empty(),
            Ending::Done(None) => places.len() != 1,
            Ending::Unknown => places.len() > 1,
        };
        wrong.then(|| format!("value {number} of {key:?} ended {ending:?} and was committed at {places:?}"))
    })
}
