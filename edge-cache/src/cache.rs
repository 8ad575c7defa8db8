//! The edge cache: reads from memory where that is right, takes a seat in a flight where not, and keeps what
//! lands. The decisions are in `freshness`, the order of things in `flight` and `floor`.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use nearkv::{
    CacheStatus, Error, Kv, ReadOptions, Reason, Served, access::Decisions, http::server::Requests,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span};

use crate::{
    circuit::{Circuit, CircuitState},
    fetch::{Ask, behind},
    flight::{Flight, Need, Seat, Stripe},
    floor::{Floor, Ticket},
    freshness::{Decision, judge},
    held::{Held, Landing},
    landing::Airborne,
    life::Lives,
    metrics::{Metrics, Sample},
    settings::{FETCHES_PER_READ, STRIPES, Settings},
    slot::Slot,
};

/// A cache in front of any [`Kv`]; a `Kv` itself. Cheap to clone: all clones are one cache.
pub struct EdgeCache<K> {
    pub(crate) shared: Arc<Shared<K>>,
}

impl<K> Clone for EdgeCache<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

pub(crate) struct Shared<K> {
    pub(crate) upstream: K,
    pub(crate) cache: moka::sync::Cache<Slot, Arc<Held>>,
    pub(crate) lives: Lives,
    pub(crate) circuit: Circuit,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    stripes: Box<[Mutex<Stripe>]>,
    hasher: RandomState,
    tickets: AtomicU64,
    answered: AtomicBool,
    /// A snapshot with something in it was loaded.
    pub(crate) warm: AtomicBool,
}

/// What a read is answered with.
pub(crate) struct Reading {
    pub(crate) held: Arc<Held>,
    pub(crate) served: Served,
    pub(crate) at: Instant,
}

impl<K: Kv> EdgeCache<K> {
    /// A cache with nothing in it. Needs a tokio runtime once it is used. End it with [`EdgeCache::shutdown`].
    #[must_use]
    pub fn new(upstream: K, settings: &Settings) -> Self {
        // No time to live and no time to idle: a moka that expires half a million entries at once stops one
        // `get` for more than a second. Deadlines are judged at read (`freshness`).
        let cache = moka::sync::Cache::builder()
            .max_capacity(settings.cache_bytes)
            .weigher(|slot: &Slot, held: &Arc<Held>| held.weight(slot))
            .build();
        let shared = Shared {
            upstream,
            cache,
            lives: Lives::default(),
            circuit: Circuit::default(),
            metrics: Metrics::new(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            tickets: AtomicU64::new(0),
            answered: AtomicBool::new(false),
            warm: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Whether upstream has ever answered, be it with a refusal. That it cannot reach its own origin, or has not
    /// loaded yet, is not enough.
    #[must_use]
    pub fn has_heard_from_upstream(&self) -> bool {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Whether it began with something to serve, from a snapshot.
    #[must_use]
    pub fn began_warm(&self) -> bool {
        self.shared.warm.load(Ordering::Relaxed)
    }

    /// The circuit before upstream.
    #[must_use]
    pub fn circuit(&self) -> CircuitState {
        self.shared.circuit.state()
    }

    /// All metrics in OpenMetrics text, as of now.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let shared = &self.shared;
        shared.cache.run_pending_tasks();
        shared.metrics.text(Sample {
            bytes: shared.cache.weighted_size(),
            capacity: shared.capacity(),
            entries: shared.cache.entry_count(),
            tasks: shared.tasks.len(),
            circuit: shared.circuit.state(),
            kvnamespaces: shared.lives.tallies(),
        })
    }

    /// Has the metrics tell what a data listener over this cache counts.
    pub(crate) fn count(&self, requests: &Arc<Requests>) {
        self.shared.metrics.add(requests);
    }

    /// Has the metrics tell what is decided about the callers of that listener.
    pub(crate) fn count_decisions(&self, decisions: &Arc<Decisions>) {
        self.shared.metrics.add(decisions);
    }

    /// Ends fetches and refreshes, and waits for writes that are on their way: their outcome is waited for, since
    /// an acknowledgement may still reach its client.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl<K> Shared<K> {
    /// The next place in the order of requests and writes.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Most bytes that may be held.
    pub(crate) fn capacity(&self) -> u64 {
        self.cache.policy().max_capacity().unwrap_or(u64::MAX)
    }

    pub(crate) fn stripe(&self, slot: &Slot) -> MutexGuard<'_, Stripe> {
        let hash = self.hasher.hash_one(slot) as usize;
        self.stripes[hash % self.stripes.len()].lock()
    }

    /// The floor under what may be stored for the slot. Pages have none: they are judged by the log of writes.
    pub(crate) fn floor(&self, stripe: &Stripe, slot: &Slot) -> Floor {
        match slot {
            Slot::Entry(namespace, _) => {
                let mut floor = stripe.floors.get(slot);
                let life = self.lives.current(namespace);
                let incarnation = life.as_ref().map(|life| life.incarnation);
                floor.version = floor.version.filter(|version| Some(version.incarnation) == incarnation);
                floor.raise(life.map(|life| life.base()).unwrap_or_default());
                floor
            }
            Slot::List(..) => Floor::default(),
        }
    }

    /// Upstream answered, with or without success.
    pub(crate) fn answered(&self, failure: Option<Reason>) {
        self.circuit.answered(Instant::now());
        if !failure.is_some_and(Reason::is_outage) {
            self.answered.store(true, Ordering::Relaxed);
        }
    }
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
