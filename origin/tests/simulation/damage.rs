//! Hands in the store: a person deletes or edits an object of the KvNamespace, or has it repaired in the middle of
//! everything.

use std::sync::Arc;

use nearkv::Random;
use nearkv_origin::{
    OnLoss,
    format::{LABEL_PART, Part, root_name},
};

use crate::{ledger::Cause, sim::Sim};

/// A hand deletes or edits an object of the KvNamespace.
pub(crate) fn strike(sim: &Sim) {
    let mut objects = sim.store.world().objects();
    objects.retain(|object| sim.ledger.lock().objects.contains_key(&object.meta.name));
    if objects.is_empty() {
        return;
    }
    let object = &objects[sim.random.below(objects.len() as u64) as usize];
    let (name, is_root) = (&object.meta.name, object.meta.labels[LABEL_PART] == Part::Root.as_str());
    // The root is one of many, and its loss is what matters.
    let (name, is_root) = match sim.random.below(3) {
        0 if !is_root => {
            let root = root_name(&sim.namespace);
            if sim.store.world().object(&root).is_none() {
                return;
            }
            (root, true)
        }
        _ => (name.clone(), is_root),
    };
    let deletes = sim.random.below(2) == 0;
    sim.say(|| format!("a hand {} {name}", if deletes { "deletes" } else { "edits" }));
    sim.by(Cause::Hand, || {
        let world = sim.store.world();
        if deletes {
            world.remove(&name);
        } else if is_root && sim.random.below(3) == 0 {
            // Touched and not changed.
            world.tamper(&name, |_| {});
        } else {
            world.tamper(&name, |object| {
                for text in object.content.text.values_mut() {
                    text.push('x');
                }
                for bytes in object.content.bytes.values_mut() {
                    *bytes = bytes.slice(..bytes.len() / 2);
                }
            });
        }
    });
}

/// A person has the root written anew by some replica, whatever it remembers, while clients go on.
pub(crate) fn repair(sim: &Arc<Sim>, random: &Random) {
    let alive = sim.cluster.alive();
    let broken = alive.iter().any(|replica| {
        let report = replica.origin.report(&sim.namespace);
        report.is_some_and(|report| {
            matches!(report.health.as_str(), "RootMissing" | "RootDamaged" | "PartDamaged")
        })
    });
    if !broken {
        return;
    }
    let replica = Arc::clone(&alive[random.below(alive.len() as u64) as usize]);
    let sim = Arc::clone(sim);
    tokio::spawn(async move {
        let repaired = tokio::select! {
            biased;
            () = replica.dead.cancelled() => return,
            repaired = replica.origin.repair(&sim.namespace, OnLoss::Accept) => repaired,
        };
        sim.say(|| format!("repair by {}: {repaired:?}", replica.name));
    });
}
