//! Swaps that are under way for longer than the grace: one that lands late, when its process is gone, and one that the store
//! turns away until what it names is old. A writer names nothing of its own that may have been collected (design §6
//! invariant 6), and the collector sweeps before it deletes.

use std::{sync::Arc, time::Duration};

use nearkv::Random;
use nearkv_origin::store::simulated::{Action, Fate};
use tokio::time::sleep;

use crate::{cluster::Cluster, fate};

/// What a throttled caller waits before it tries again, as the simulated store has it.
const THROTTLED: Duration = Duration::from_secs(1);

/// The next swap of a process takes so long.
pub(crate) fn strike(cluster: &Arc<Cluster>, slot: usize, random: &Random) {
    let Some(replica) = cluster.replica(slot) else { return };
    let grace = cluster.plan.grace;
    replica.store.forget_orders();
    if random.below(2) == 0 {
        // What it names is older still: it was created before, and its process goes on for a while.
        let by = grace / 2 + random.jitter(grace);
        cluster.say(|| format!("the next swap of {} lands {by:?} late", replica.name));
        replica.store.order(Action::Replace, Fate::Late(by));
        let (cluster, pause) = (Arc::clone(cluster), random.jitter(grace * 2));
        let random = Random::seeded(random.below(u64::MAX));
        tokio::spawn(async move {
            sleep(pause).await;
            if cluster.replica(slot).is_some_and(|now| Arc::ptr_eq(&now, &replica)) {
                fate::crash(&cluster, slot, &random);
            }
        });
    } else {
        // Long enough for two rounds of the collector, or for the grace and these.
        let (least, more) =
            if random.below(2) == 0 { (grace / 4, grace / 2) } else { (grace * 3 / 2, grace) };
        let times = (least + random.jitter(more)).as_secs() / THROTTLED.as_secs();
        cluster.say(|| format!("{times} swaps of {} are turned away", replica.name));
        (0..times).for_each(|_| replica.store.order(Action::Replace, Fate::Throttled));
    }
}
