//! What the answers to a client are judged by: the ledger as it was when the operation began, and as it is now.

use std::collections::BTreeMap;

use nearkv::{Condition, Error, Key, Reason, State, UnixMillis, Version};
use nearkv_origin::format::Put;

use crate::{
    client::{Client, Ending},
    ledger::Ledger,
    life::Life,
    sim::{Replica, Sim},
};

/// What the ledger said when an operation began.
pub(crate) struct Start {
    /// The incarnation in the store.
    pub(crate) incarnation: Option<String>,
    /// Its newest version.
    pub(crate) newest: u64,
    /// The store's time.
    pub(crate) time: UnixMillis,
    /// The newest version that the replica has shown of each incarnation.
    pub(crate) shown: BTreeMap<String, u64>,
}

impl Client {
    /// Before an operation.
    pub(crate) fn begin(&self, replica: &Replica) -> Start {
        let ledger = self.sim.ledger.lock();
        let newest = ledger.newest();
        Start {
            incarnation: newest.map(|(incarnation, _)| incarnation.to_owned()),
            newest: newest.map_or(0, |(_, life)| life.newest()),
            time: self.sim.now(),
            shown: replica.shown.lock().clone(),
        }
    }

    /// How a refused write has ended.
    pub(crate) fn refused(
        &self,
        start: &Start,
        key: &Key,
        condition: Option<&Condition>,
        error: &Error,
    ) -> Ending {
        if error.reason() == Reason::OutcomeUnknown {
            return Ending::Unknown;
        }
        if error.reason() == Reason::PreconditionFailed
            && let (Some(condition), Some(version)) = (condition, error.version())
        {
            self.sim.check(|ledger| {
                let Some(life) = ledger.lives.get(&version.incarnation.to_string()) else {
                    return Err(format!("a condition was judged at {version}, which never was"));
                };
                fresh(start, version, "a condition")?;
                let there = life.at(version.number, key);
                let (earlier, later) = (start.time, self.sim.now());
                let could_fail =
                    [earlier, later].into_iter().any(|time| !condition.holds(present(&there, version, time)));
                if could_fail { Ok(()) } else { Err(format!("{condition:?} holds for {key:?} at {version}")) }
            });
        }
        Ending::Refused(error.reason())
    }

    /// What every answer must keep, and what this one must.
    pub(crate) fn judge(
        &self,
        replica: &Replica,
        start: &Start,
        state: &State,
        more: impl FnOnce(&Ledger, &Life) -> Result<(), String>,
    ) {
        let version = state.version;
        let incarnation = version.incarnation.to_string();
        self.sim.check(|ledger| {
            let who = &replica.name;
            let Some(life) = ledger.lives.get(&incarnation) else {
                return Err(format!("{who} has answered with the state {version}, which never was"));
            };
            if version.number > life.newest() {
                return Err(format!(
                    "{who} has answered with {version}, and {} is the newest",
                    life.newest()
                ));
            }
            if start.shown.get(&incarnation).is_some_and(|shown| *shown > version.number) {
                return Err(format!("{who} has gone back to {version}"));
            }
            let in_order = start.time <= state.time && state.time <= self.sim.now();
            if !in_order {
                return Err(format!("{who} judges expirations by {}, another clock's time", state.time));
            }
            more(ledger, life)
        });
        let mut shown = replica.shown.lock();
        let newest = shown.entry(incarnation).or_default();
        *newest = (*newest).max(version.number);
    }
}

impl Sim {
    /// Keeps a finding.
    pub(crate) fn check(&self, judgement: impl FnOnce(&Ledger) -> Result<(), String>) {
        let mut ledger = self.ledger.lock();
        if let Err(wrong) = judgement(&ledger) {
            ledger.violations.push(wrong);
        }
    }
}

/// Whether an entry has ended.
pub(crate) fn ended(put: &Put, now: UnixMillis) -> bool {
    put.expiration.is_some_and(|expiration| expiration.has_passed(now))
}

/// A write is judged against the newest root, also where it changes nothing.
pub(crate) fn fresh(start: &Start, version: Version, what: &str) -> Result<(), String> {
    let same = start.incarnation.as_ref() == Some(&version.incarnation.to_string());
    if same && version.number < start.newest {
        return Err(format!("{what} was judged at {version} when {} was committed", start.newest));
    }
    Ok(())
}

fn present(there: &Option<(u64, Put)>, version: Version, now: UnixMillis) -> Option<Version> {
    let (at, _) = there.as_ref().filter(|(_, put)| !ended(put, now))?;
    Some(Version::new(version.incarnation, *at))
}

/// A condition that was met held just before; the clock may have moved between its judgement and now.
pub(crate) fn holds(
    condition: Option<&Condition>,
    before: Option<(u64, Put)>,
    version: Version,
    now: UnixMillis,
    start: UnixMillis,
) -> Result<(), String> {
    let Some(condition) = condition else { return Ok(()) };
    let could_hold = [start, now].into_iter().any(|time| condition.holds(present(&before, version, time)));
    if could_hold { Ok(()) } else { Err(format!("{condition:?} did not hold before {version}")) }
}
