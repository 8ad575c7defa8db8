//! The parts of an edge cache, which reads (`read`), fetches (`fetch`), writes (`write`) and snapshots share: the cached
//! answers, the incarnations, the circuit to upstream, and the stripes with floors and fetches in flight.

mod stripe;

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

pub(crate) use self::stripe::{FetchOutcome, FetchStart, FetchWaiter, Stripe};
use crate::{
    circuit::{Circuit, CircuitState},
    coherence::{CacheKey, Floor, Incarnations, Ticket},
    entry::CachedEntry,
    metrics::{Metrics, Sample},
    settings::{STRIPES, Settings},
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
    pub(crate) cache: moka::sync::Cache<CacheKey, Arc<CachedEntry>>,
    pub(crate) incarnations: Incarnations,
    pub(crate) circuit: Circuit,
    pub(crate) metrics: Metrics,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    stripes: Box<[Mutex<Stripe>]>,
    hasher: RandomState,
    tickets: AtomicU64,
    answered: AtomicBool,
    /// The cache was filled from a snapshot.
    pub(crate) warm: AtomicBool,
}

impl<K: Kv> EdgeCache<K> {
    /// An empty cache. Needs a tokio runtime once it is used. End it with [`EdgeCache::shutdown`].
    #[must_use]
    pub fn new(upstream: K, settings: &Settings) -> Self {
        // No time to live and no time to idle: a moka that expires half a million entries at once stops one
        // `get` for more than a second. Deadlines are checked at each read (`freshness`).
        let cache = moka::sync::Cache::builder()
            .max_capacity(settings.cache_bytes)
            .weigher(|cache_key: &CacheKey, cached: &Arc<CachedEntry>| cached.weight(cache_key))
            .build();
        let shared = Shared {
            upstream,
            cache,
            incarnations: Incarnations::default(),
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

    /// Whether upstream has ever answered. A refusal counts. An answer that its own origin is unreachable, or that it is
    /// still loading, does not.
    #[must_use]
    pub fn has_upstream_answered(&self) -> bool {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Whether it started with entries of a snapshot.
    #[must_use]
    pub fn started_warm(&self) -> bool {
        self.shared.warm.load(Ordering::Relaxed)
    }

    /// The state of the circuit breaker to upstream.
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
            kvnamespaces: shared.incarnations.tallies(),
        })
    }

    /// Adds the counters of a data listener over this cache to the metrics.
    pub(crate) fn add_requests(&self, requests: &Arc<Requests>) {
        self.shared.metrics.add(requests);
    }

    /// Adds the counters of that listener's guard to the metrics.
    pub(crate) fn add_decisions(&self, decisions: &Arc<DecisionCounts>) {
        self.shared.metrics.add(decisions);
    }

    /// Ends fetches and refreshes, and waits for the outcome of writes in flight, since an acknowledgement may still
    /// reach its client.
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

    /// Most bytes that may be cached.
    pub(crate) fn capacity(&self) -> u64 {
        self.cache.policy().max_capacity().unwrap_or(u64::MAX)
    }

    pub(crate) fn stripe(&self, cache_key: &CacheKey) -> MutexGuard<'_, Stripe> {
        let hash = self.hasher.hash_one(cache_key) as usize;
        self.stripes[hash % self.stripes.len()].lock()
    }

    /// The floor under answers for this key. Pages have none: the log of writes decides about them.
    pub(crate) fn floor(&self, stripe: &Stripe, cache_key: &CacheKey) -> Floor {
        match cache_key {
            CacheKey::Entry(namespace, _) => {
                let mut floor = stripe.floors.get(cache_key);
                let current = self.incarnations.current(namespace);
                let id = current.as_ref().map(|current| current.id);
                floor.version = floor.version.filter(|version| Some(version.incarnation) == id);
                floor.raise(current.map(|current| current.base()).unwrap_or_default());
                floor
            }
            CacheKey::List(..) => Floor::default(),
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
