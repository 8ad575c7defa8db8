//! What the replicas that stand on the same store say of themselves, as their canaries show it: who is there, what each has
//! left of the pace, and which parts it misses.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use nearkv::UnixMillis;
use parking_lot::Mutex;

use crate::{
    format::{ObjectPath, ReplicaState, Report},
    limits::pacing::share::Left,
    settings::{CANARY_EVERY, IDLE_EVERY},
    store::{Meta, Object, ObjectName},
};

/// How late a canary may be before its replica is taken for gone: a slow call of the store, and what the clocks of two
/// replicas may differ by.
const LATE: Duration = Duration::from_secs(5);
/// How long the canary of a replica that is gone is kept: for as long the store keeps what it wrote last.
const KEPT: Duration = Duration::from_secs(600);

/// The other replicas.
#[derive(Default)]
pub(crate) struct Replicas(Mutex<BTreeMap<ObjectName, Heard>>);

/// A canary of another replica.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) meta: Meta,
    pub(crate) report: Report,
}

impl Heard {
    /// Whether its next swap may still come in time.
    fn is_there(&self, now: UnixMillis) -> bool {
        let promised = match self.report.state {
            ReplicaState::Active => CANARY_EVERY,
            ReplicaState::Idle => IDLE_EVERY,
            ReplicaState::Ended => return false,
        };
        self.since(now) <= promised + LATE
    }

    fn since(&self, now: UnixMillis) -> Duration {
        now.since(self.report.at())
    }

    /// What it had left of the pace.
    pub(crate) fn left(&self, now: UnixMillis) -> Option<Left> {
        Some(Left { level: self.report.level?, since: self.since(now) })
    }
}

impl Replicas {
    /// A canary has changed; what its replica misses and did not before.
    pub(crate) fn hear(&self, object: &Object) -> Vec<ObjectPath> {
        let Some(report) = Report::of(object) else { return Vec::new() };
        let heard = Heard { meta: object.meta.clone(), report };
        let lost = heard.report.lost.clone();
        let before = self.0.lock().insert(object.meta.name.clone(), heard);
        let known: BTreeSet<ObjectPath> = before.into_iter().flat_map(|heard| heard.report.lost).collect();
        lost.into_iter().filter(|name| !known.contains(name)).collect()
    }

    /// A canary was deleted.
    pub(crate) fn forget(&self, name: &ObjectName) {
        self.0.lock().remove(name);
    }

    /// Those whose canaries are not among `present` are gone.
    pub(crate) fn retain(&self, present: &BTreeSet<ObjectName>) {
        self.0.lock().retain(|name, _| present.contains(name));
    }

    /// Those that are there, and those that are not any more.
    pub(crate) fn divided(&self, now: UnixMillis) -> (Vec<Heard>, Vec<Heard>) {
        self.0.lock().values().cloned().partition(|heard| heard.is_there(now))
    }

    /// Those of whom nobody needs to know any more.
    pub(crate) fn outdated(&self, now: UnixMillis) -> Vec<Heard> {
        let heard = self.0.lock();
        heard.values().filter(|heard| !heard.is_there(now) && heard.since(now) > KEPT).cloned().collect()
    }
}
