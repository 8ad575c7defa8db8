//! Decisions about tokens, cached: the guard's about a token and an access, the operator's about whose token it is.
//! Requests for one that is not cached are coalesced (`coalesce`), so a request whose reader has gone, or stopped
//! waiting, still fills the cache.
//!
//! The cache is bounded without bookkeeping per use. A shard has two generations. When the young one is full it
//! becomes the old one. A decision in use is requested again within a minute, and so moves to the young one.

use std::{
    hash::{BuildHasherDefault, Hash, RandomState},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio::time::{Instant, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span};

use super::hashed::{Hashed, HashedMap, Known};
use crate::{
    Error, Reason,
    coalesce::{Abandoned, InFlightTable, Settle, Waiter},
};

/// Shards: with the usual two to eight cores no request waits for the lock of another.
const SHARDS: usize = 16;
/// Most requests to the authority in flight in one shard. Further callers are refused, not queued.
const MAX_IN_FLIGHT: usize = 64;
/// Longest wait for the authority.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before an authority that could not be reached is asked the same again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A decision in the cache.
#[derive(Clone, Debug)]
pub struct CachedDecision<V> {
    /// The decision.
    pub value: V,
    /// When it was requested.
    pub requested: Instant,
    /// Until when it may be used without a new request.
    pub until: Instant,
    /// When to request it again, if a request has failed since.
    pub retry: Option<Instant>,
}

impl<V> CachedDecision<V> {
    /// How long it may still be used.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

struct Shard<K, V> {
    young: HashedMap<K, CachedDecision<V>>,
    old: HashedMap<K, CachedDecision<V>>,
    in_flight: InFlightTable<Hashed<K>, CachedDecision<V>, (), BuildHasherDefault<Known>>,
}

impl<K, V> Default for Shard<K, V> {
    fn default() -> Self {
        Self { young: HashedMap::default(), old: HashedMap::default(), in_flight: InFlightTable::default() }
    }
}

impl<K: Eq, V> Shard<K, V> {
    fn insert(&mut self, key: Hashed<K>, decision: CachedDecision<V>, capacity: usize) {
        if self.young.len() >= capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, decision);
    }

    fn get(&self, key: &Hashed<K>) -> Option<&CachedDecision<V>> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn note_failure(&mut self, key: &Hashed<K>) {
        let Self { young, old, in_flight: _ } = self;
        if let Some(decision) = young.get_mut(key).or_else(|| old.get_mut(key)) {
            decision.retry = Some(Instant::now() + RETRY_PAUSE);
        }
    }
}

/// Caches decisions of type `V` by keys of type `K`.
pub struct DecisionCache<K, V> {
    shards: Vec<RwLock<Shard<K, V>>>,
    hasher: RandomState,
    /// Most decisions in one generation of a shard.
    capacity: usize,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl<K, V> DecisionCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Caches at most about twice `capacity` decisions. End it with [`DecisionCache::shutdown`].
    #[must_use]
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
            capacity: capacity.div_ceil(SHARDS).max(1),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// The key with its hash, for the other methods.
    pub(super) fn key(&self, key: K) -> Hashed<K> {
        Hashed::new(key, &self.hasher)
    }

    fn shard(&self, key: &Hashed<K>) -> &RwLock<Shard<K, V>> {
        &self.shards[key.shard(SHARDS)]
    }

    /// The cached decision, however old.
    pub(super) fn get(&self, key: &Hashed<K>) -> Option<CachedDecision<V>> {
        self.shard(key).read().get(key).cloned()
    }

    /// The cached decision if it may still be used, else the one that `request` returns with the time it lasts.
    ///
    /// # Errors
    /// As of [`DecisionCache::join_or_start`] and [`Waiter::result`].
    pub async fn get_or_request<F>(
        self: &Arc<Self>,
        key: K,
        request: impl FnOnce() -> F,
    ) -> Result<CachedDecision<V>, Error>
    where
        F: Future<Output = Result<(V, Duration), Error>> + Send + 'static,
    {
        let (key, now) = (self.key(key), Instant::now());
        match self.get(&key).filter(|decision| now < decision.until) {
            Some(decision) => Ok(decision),
            None => self.join_or_start(&key, request)?.result().await,
        }
    }

    /// Notes on the cached decision that a request for it has failed.
    pub(super) fn note_failure(&self, key: &Hashed<K>) {
        self.shard(key).write().note_failure(key);
    }

    /// Joins the request in flight for the key, or starts `request`. Its decision is cached for the time it returns.
    ///
    /// # Errors
    /// `throttled` (429) if too many requests are in flight.
    pub(super) fn join_or_start<F>(
        self: &Arc<Self>,
        key: &Hashed<K>,
        request: impl FnOnce() -> F,
    ) -> Result<Waiter<CachedDecision<V>>, Error>
    where
        F: Future<Output = Result<(V, Duration), Error>> + Send + 'static,
    {
        let mut shard = self.shard(key).write();
        let requested = Instant::now();
        // Decided while this caller waited for the lock.
        if let Some(decision) = shard.get(key).filter(|decision| requested < decision.until) {
            return Ok(Waiter::completed(Ok(decision.clone())));
        }
        let (waiter, task) = shard.in_flight.join_or_start(key, |in_flight| {
            if in_flight >= MAX_IN_FLIGHT {
                let text = "Too many tokens are being checked; try again";
                return Err(Error::new(Reason::Throttled, text).with_retry_after(RETRY_PAUSE));
            }
            Ok(((), Request { cache: self.clone(), key: key.clone() }))
        })?;
        drop(shard);
        if let Some(task) = task {
            let request = request();
            let request = async move {
                let (value, lasts) =
                    timeout(REQUEST_TIMEOUT, request).await.unwrap_or_else(|_| Err(timed_out()))?;
                Ok(CachedDecision { value, requested, until: requested + lasts, retry: None })
            };
            // In the trace of the caller that started it.
            self.tasks.spawn(task.run(request, self.stop.clone()).instrument(Span::current()));
        }
        Ok(waiter)
    }

    /// Abandons the requests in flight, and waits for their tasks.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A request in flight to the authority.
struct Request<K, V> {
    cache: Arc<DecisionCache<K, V>>,
    key: Hashed<K>,
}

impl<K, V> Settle for Request<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    type Output = CachedDecision<V>;

    fn settle(&self, result: &Result<CachedDecision<V>, Error>) {
        let mut shard = self.cache.shard(&self.key).write();
        shard.in_flight.remove(&self.key);
        match result {
            Ok(decision) => shard.insert(self.key.clone(), decision.clone(), self.cache.capacity),
            Err(_) => shard.note_failure(&self.key),
        }
    }

    fn abandon(&self, _: Abandoned) -> Error {
        Error::new(Reason::Unavailable, "The request to the authority was abandoned")
            .with_retry_after(RETRY_PAUSE)
    }
}

fn timed_out() -> Error {
    Error::new(Reason::Unavailable, "The authority does not answer in time").with_retry_after(RETRY_PAUSE)
}
