//! What an edge cache consists of: its memory, the flights to upstream, the floors of its own writes, and what it knows of
//! upstream. A read is in `read`, its decisions in `freshness`, the order of things in `flight` and `floor`.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use nearkv::{Kv, Reason, access::DecisionCounts, http::server::Requests};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    circuit::{Circuit, CircuitState},
    flight::Stripe,
    floor::{Floor, Ticket},
    held::Held,
    life::Lives,
    metrics::{Metrics, Sample},
    settings::{STRIPES, Settings},
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
    pub(crate) fn count_decisions(&self, decisions: &Arc<DecisionCounts>) {
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
