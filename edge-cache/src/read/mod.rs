//! One read: from memory where that is right, from a flight where not, and from what is held where that takes too long.

use std::{sync::Arc, time::Duration};

use nearkv::{CacheStatus, Error, Kv, ReadOptions, Reason, Served};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Span};

use crate::{
    cache::Shared,
    fetch::{Ask, behind},
    flight::{Flight, Need, Seat},
    floor::Floor,
    freshness::{Decision, judge},
    held::{Held, Landing},
    landing::Airborne,
    settings::FETCHES_PER_READ,
    slot::Slot,
};

/// What a read is answered with.
pub(crate) struct Reading {
    pub(crate) held: Arc<Held>,
    pub(crate) served: Served,
    pub(crate) at: Instant,
}

impl<K: Kv> Shared<K> {
    /// Answers a read.
    pub(crate) async fn read(self: &Arc<Self>, slot: Slot, read: &ReadOptions) -> Result<Reading, Error> {
        let now = Instant::now();
        if read.only_if_cached {
            return self.fall_back(&slot, None, read).ok_or_else(|| unreachable(Duration::ZERO));
        }
        let Some(held) = self.cache.get(&slot) else { return self.read_upstream(slot, None, read).await };
        match judge(&slot, &held, now, read) {
            Decision::Serve => Ok(Reading { held, served: CacheStatus::Hit.into(), at: now }),
            Decision::ServeAndRefresh => {
                let need = self.need(&slot, Some(&held), read);
                // Not a part of the request, which does not wait for it.
                let boarded = self.board(&slot, Some(&held), read, &need, Span::none());
                let status = if boarded.is_ok() { CacheStatus::Updating } else { CacheStatus::Hit };
                if boarded.is_ok_and(|seat| !seat.collapsed) {
                    self.metrics.refreshes.inc();
                }
                Ok(Reading { held, served: status.into(), at: now })
            }
            Decision::ServeStale => Ok(Reading { held, served: CacheStatus::Stale.into(), at: now }),
            Decision::Revalidate | Decision::Fetch => self.read_upstream(slot, Some(held), read).await,
        }
    }

    /// Answers a read from a flight, or from what is held if that takes too long.
    async fn read_upstream(
        self: &Arc<Self>,
        slot: Slot,
        held: Option<Arc<Held>>,
        read: &ReadOptions,
    ) -> Result<Reading, Error> {
        let need = self.need(&slot, held.as_ref(), read);
        for _ in 0..FETCHES_PER_READ {
            let mut seat = match self.board(&slot, held.as_ref(), read, &need, Span::current()) {
                Ok(seat) => seat,
                Err(wait) => return self.fall_back(&slot, held, read).ok_or_else(|| unreachable(wait)),
            };
            let has_stale_copy = self.fall_back(&slot, held.clone(), read).is_some();
            let end = match seat.patience(has_stale_copy) {
                Some(deadline) => timeout_at(deadline, seat.landed()).await,
                None => Ok(seat.landed().await),
            };
            let Ok(end) = end else {
                return self.fall_back(&slot, held, read).ok_or_else(|| unreachable(Duration::ZERO));
            };
            match end {
                Ok(landing) if need.is_met_by(&landing.held) && suits(&landing, &seat, read) => {
                    let status = landing.status(held.is_some());
                    let served = Served { status, collapsed: seat.collapsed };
                    return Ok(Reading { held: landing.held, served, at: Instant::now() });
                }
                // The flight took off before a write this read must see, or for a less demanding reader.
                Ok(_) => {}
                Err(error) if seat.collapsed && error.reason() == Reason::VersionNotReached => {}
                Err(error) if error.reason().is_outage() => {
                    return self.fall_back(&slot, held, read).ok_or(error);
                }
                Err(error) => return Err(error),
            }
        }
        self.fall_back(&slot, held, read).ok_or_else(behind)
    }

    /// What an answer to a read that begins now must show.
    fn need(&self, slot: &Slot, held: Option<&Arc<Held>>, read: &ReadOptions) -> Need {
        let mut floor = match slot {
            Slot::Entry(..) => self.floor(&self.stripe(slot), slot),
            Slot::List(namespace, _) => {
                self.lives.current(namespace).map(|life| life.log().newest()).unwrap_or_default()
            }
        };
        if let Some(held) = held.filter(|held| !held.life.is_over()) {
            floor.raise(Floor::written(held.version));
        }
        Need { floor, reader: read.min_version }
    }

    /// Takes a seat in the slot's flight; starts one, as a part of `trace`, if there is none.
    ///
    /// # Errors
    /// The circuit is open: how long it will be.
    fn board(
        self: &Arc<Self>,
        slot: &Slot,
        held: Option<&Arc<Held>>,
        read: &ReadOptions,
        need: &Need,
        trace: Span,
    ) -> Result<Seat, Duration> {
        let mut stripe = self.stripe(slot);
        if let Some(flight) = stripe.flights.get(slot) {
            return Ok(flight.seat(true));
        }
        let started = Instant::now();
        let passage = self.circuit.admit(started)?;
        let basis = held.filter(|held| !held.life.is_over() && !held.has_expired(started)).cloned();
        let ask = Ask { cache_ttl: read.cache_ttl, reader: need.reader, floor: need.floor.version, basis };
        let (airborne, end) = Airborne::take_off(self.clone(), slot.clone(), self.ticket());
        let flight = Flight { started, passage, end };
        let seat = flight.seat(false);
        stripe.flights.insert(slot.clone(), flight);
        drop(stripe);
        self.tasks.spawn(airborne.fly(ask).instrument(trace));
        Ok(seat)
    }

    /// What may be given, marked stale, while upstream cannot be asked. Judged at this very moment: while the read
    /// waited, the entry may have ended, or a delete through this edge may have been acknowledged.
    fn fall_back(&self, slot: &Slot, held: Option<Arc<Held>>, read: &ReadOptions) -> Option<Reading> {
        let at = Instant::now();
        let held = self.cache.get(slot).or(held)?;
        let floor = self.floor(&self.stripe(slot), slot);
        if floor.version.is_some_and(|version| held.version < version) {
            return None;
        }
        let status = match judge(slot, &held, at, read) {
            Decision::Serve | Decision::ServeAndRefresh => CacheStatus::Hit,
            Decision::ServeStale | Decision::Revalidate => CacheStatus::Stale,
            Decision::Fetch => return None,
        };
        Some(Reading { held, served: status.into(), at })
    }
}

/// Whether an answer fetched for another reader is young enough for this one. One's own answer always is: upstream
/// was asked with the same bound.
fn suits(landing: &Landing, seat: &Seat, read: &ReadOptions) -> bool {
    let young_enough = read.cache_ttl.is_none_or(|ttl| landing.held.age(Instant::now()) <= ttl);
    !seat.collapsed || landing.stale || young_enough
}

fn unreachable(wait: Duration) -> Error {
    let wait = wait.max(crate::settings::CIRCUIT_COOLDOWN);
    Error::new(
        Reason::Unavailable,
        "The origin cannot be reached, and the answer is not in the cache; try again",
    )
    .with_retry_after(wait)
}
