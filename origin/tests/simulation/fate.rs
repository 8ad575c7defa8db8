//! Strokes of fate: crashes, cuts, processes that stand still, changes of the maintainer, wrong clocks, hands
//! in the store, and KvNamespaces that go and come again.

use std::{sync::Arc, time::Duration};

use nearkv_origin::{
    format::{LABEL_PART, Part},
    store::simulated::Link,
};
use tokio::time::sleep;

use crate::sim::Sim;

/// The longest that a connection is cut.
const LONGEST_CUT: Duration = Duration::from_secs(30);

/// Strikes until it is dropped.
pub(crate) async fn strike(sim: Arc<Sim>) {
    let Some(pause) = sim.plan.strokes else { return std::future::pending().await };
    loop {
        sleep(sim.random.jitter(pause)).await;
        let slot = sim.random.below(sim.plan.replicas as u64) as usize;
        match sim.random.below(100) {
            0..35 => {
                sim.crash(slot);
                let (sim, pause) = (Arc::clone(&sim), sim.random.jitter(Duration::from_secs(5)));
                tokio::spawn(async move {
                    sleep(pause).await;
                    let faults = sim.plan.faults.clone();
                    sim.start(slot, faults);
                });
            }
            35..50 => part(&sim, slot, Link::Cut, sim.random.jitter(LONGEST_CUT)),
            // Now and then for longer than the grace.
            50..62 => part(&sim, slot, Link::Frozen, sim.random.jitter(sim.plan.grace * 2)),
            62..80 => {
                // The lease may be believed in by two for a while, or by nobody.
                for replica in sim.alive() {
                    replica.origin.set_maintainer(sim.random.below(2) == 0);
                }
            }
            80..85 if sim.plan.skews => {
                if let Some(replica) = sim.replica(slot) {
                    let skew = sim.random.below(10_000) as i64 - 5_000;
                    replica.clock.set_skew_ms(skew);
                }
            }
            85..93 if sim.plan.damage => damage(&sim),
            93..100 if sim.plan.rebirths => {
                if sim.config().is_some() {
                    sim.delete();
                }
                let again = Arc::clone(&sim);
                let pause = sim.random.jitter(Duration::from_secs(20));
                tokio::spawn(async move {
                    sleep(pause).await;
                    if again.config().is_none() {
                        again.create();
                    }
                });
            }
            _ => {}
        }
    }
}

fn part(sim: &Arc<Sim>, slot: usize, link: Link, duration: Duration) {
    let Some(replica) = sim.replica(slot) else { return };
    sim.say(|| format!("{link:?} {} for {duration:?}", replica.name));
    replica.store.set_link(link);
    tokio::spawn(async move {
        sleep(duration).await;
        replica.store.set_link(Link::Up);
    });
}

/// A hand deletes or edits an object of the KvNamespace.
fn damage(sim: &Sim) {
    let objects = sim.store.world().objects();
    if objects.is_empty() {
        return;
    }
    let object = &objects[sim.random.below(objects.len() as u64) as usize];
    let (name, is_root) = (&object.meta.name, object.meta.labels[LABEL_PART] == Part::Root.as_str());
    // The root is one of many, and its loss is what matters.
    let (name, is_root) = match sim.random.below(3) {
        0 if !is_root => {
            let root = nearkv_origin::format::root_name(&sim.namespace);
            if sim.store.world().object(&root).is_none() {
                return;
            }
            (root, true)
        }
        _ => (name.clone(), is_root),
    };
    let deletes = sim.random.below(2) == 0;
    sim.say(|| format!("a hand {} {name}", if deletes { "deletes" } else { "edits" }));
    sim.by_hand(|| {
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
