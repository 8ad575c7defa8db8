//! What the answers to a client are judged by: the ledger as it was when the operation began, and as it is now.

use std::collections::BTreeMap;

use nearkv::{Clock, Condition, Error, Key, Reason, State, UnixMillis, Version};
use nearkv_origin::format::Put;
use tokio::time::Instant;

use crate::{
    client::{Client, Ending},
    cluster::Replica,
    errors,
    ledger::Ledger,
    life::Life,
    quota,
    sim::Sim,
};

/// What the ledger said when an operation began.
pub(crate) struct Start {
    pub(crate) at: Instant,
    /// The incarnation in the store.
    pub(crate) incarnation: Option<String>,
    /// Its newest version.
    pub(crate) newest: u64,
    /// The store's time.
    pub(crate) time: UnixMillis,
    /// How often the replica stood still before, and whether it does.
    stops: u64,
    stopped: bool,
    /// The newest version that the replica has shown of each incarnation.
    shown: BTreeMap<String, u64>,
}

impl Start {
    /// Whether the replica has run all the time since.
    pub(crate) fn has_run(&self, replica: &Replica) -> bool {
        !self.stopped && self.stops == replica.stops()
    }
}

impl Client {
    /// Before an operation.
    pub(crate) fn begin(&self, replica: &Replica) -> Start {
        let ledger = self.sim.ledger.lock();
        let newest = ledger.newest();
        Start {
            at: Instant::now(),
            incarnation: newest.map(|(incarnation, _)| incarnation.to_owned()),
            newest: newest.map_or(0, |(_, life)| life.newest()),
            time: self.sim.now(),
            stops: replica.stops(),
            stopped: replica.is_stopped(),
            shown: replica.shown.lock().clone(),
        }
    }

    /// How a refused write has ended.
    pub(crate) fn refused(
        &self,
        replica: &Replica,
        start: &Start,
        (key, bytes): (&Key, u64),
        condition: Option<&Condition>,
        error: &Error,
    ) -> Ending {
        let reason = error.reason();
        match (reason, error.version()) {
            (Reason::PreconditionFailed | Reason::KeyDeclared, None) => {
                self.sim.blame(format!("\"{}\" does not say at which state", reason.as_str()));
            }
            // The whole quota is smaller than the value: judged before any state.
            (Reason::QuotaExceeded, None) => {
                self.sim.check(|ledger| ledger.quotas.refused(key, quota::Used::default(), bytes));
            }
            (Reason::PreconditionFailed | Reason::KeyDeclared | Reason::QuotaExceeded, Some(version)) => {
                self.sim.check(|ledger| {
                    let Some(life) = ledger.lives.get(&version.incarnation.to_string()) else {
                        return Err(format!("a write was refused at {version}, which never was"));
                    };
                    fresh(start, version, "a refusal")?;
                    let there = life.at(version.number, key);
                    let times = [start.time, self.sim.now()];
                    let justified = match reason {
                        Reason::QuotaExceeded => {
                            // At the earlier time fewer have ended.
                            let entries = life.state(version.number);
                            return ledger.quotas.refused(key, quota::used(&entries, start.time), bytes);
                        }
                        Reason::KeyDeclared => there.as_ref().is_some_and(|(_, put)| put.declared),
                        _ => condition.is_some_and(|condition| {
                            times.into_iter().any(|time| !condition.holds(present(&there, version, time)))
                        }),
                    };
                    if justified {
                        return Ok(());
                    }
                    Err(format!("\"{}\" is wrong for {key:?} at {version}: {condition:?}", reason.as_str()))
                });
            }
            _ => self.sim.judge_error(replica, reason),
        }
        if reason == Reason::OutcomeUnknown { Ending::Unknown } else { Ending::Refused(reason) }
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
        let in_order = start.time <= state.time && state.time <= self.sim.now();
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

    /// An error that says nothing about entries: excused or wrong.
    pub(crate) fn judge_error(&self, replica: &Replica, reason: Reason) {
        match errors::excuse(reason, self.circumstances(replica)) {
            Ok(excuse) => self.excuse(excuse),
            Err(wrong) => self.blame(format!("{}: {wrong}", replica.name)),
        }
    }

    /// The store's time, which is right by definition.
    pub(crate) fn now(&self) -> UnixMillis {
        self.store.world().clock().now()
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
