//! One read: from memory if the cached answer is fresh, else from a fetch, and from a stale cached answer if the fetch
//! takes too long. Reads past the cache are in `from_origin`.

mod from_origin;

use std::{sync::Arc, time::Duration};

use nearkv::{CacheStatus, Error, Kv, ReadOptions, Reason, Served};
use tokio::time::{Instant, timeout_at};
use tracing::Span;

use crate::{
    cache::{FetchOutcome, FetchWaiter, Shared},
    coherence::{CacheKey, Floor},
    entry::{CachedEntry, Reading, Requirement},
    fetch::{behind, unreachable},
    freshness::{Decision, judge},
    metrics::Operation,
    settings::FETCHES_PER_READ,
};

/// What a client reads if upstream is unreachable and nothing is cached.
const NOT_CACHED: &str = "The origin cannot be reached, and the answer is not in the cache; try again";

impl<K: Kv> Shared<K> {
    /// Answers a read.
    pub(crate) async fn read(
        self: &Arc<Self>,
        cache_key: CacheKey,
        read: &ReadOptions,
    ) -> Result<Reading, Error> {
        let now = Instant::now();
        if read.only_if_cached {
            return self
                .fall_back(&cache_key, None, read)
                .ok_or_else(|| unreachable(NOT_CACHED, Duration::ZERO));
        }
        let Some(cached) = self.cache.get(&cache_key) else {
            return self.read_upstream(cache_key, None, read).await;
        };
        match judge(&cache_key, &cached, now, read) {
            Decision::Serve => Ok(Reading { cached, served: CacheStatus::Hit.into(), at: now }),
            Decision::ServeAndRefresh => {
                let requirement = self.requirement(&cache_key, Some(&cached), read);
                // The request does not wait for the refresh, so its trace does not contain it.
                let refresh =
                    self.join_or_start_fetch(&cache_key, Some(&cached), read, &requirement, Span::none());
                let status = if refresh.is_ok() { CacheStatus::Updating } else { CacheStatus::Hit };
                if refresh.is_ok_and(|waiter| !waiter.joined) {
                    self.metrics.refreshes.inc();
                }
                Ok(Reading { cached, served: status.into(), at: now })
            }
            Decision::ServeStale => Ok(Reading { cached, served: CacheStatus::Stale.into(), at: now }),
            Decision::Revalidate | Decision::Fetch => self.read_upstream(cache_key, Some(cached), read).await,
        }
    }

    /// Counts how a read ended.
    pub(crate) fn count_read(
        &self,
        operation: Operation,
        result: Result<Reading, Error>,
    ) -> Result<Reading, Error> {
        match &result {
            Ok(Reading { cached, served, at }) => {
                self.metrics.read(operation, served.status, &cached.incarnation.tally, cached.age(*at));
            }
            Err(error) => self.metrics.read_failed(operation, error.reason()),
        }
        result
    }

    /// Answers a read from a fetch, or from a stale cached answer if that takes too long.
    async fn read_upstream(
        self: &Arc<Self>,
        cache_key: CacheKey,
        cached: Option<Arc<CachedEntry>>,
        read: &ReadOptions,
    ) -> Result<Reading, Error> {
        let requirement = self.requirement(&cache_key, cached.as_ref(), read);
        for _ in 0..FETCHES_PER_READ {
            let fetch =
                self.join_or_start_fetch(&cache_key, cached.as_ref(), read, &requirement, Span::current());
            let mut waiter = match fetch {
                Ok(waiter) => waiter,
                Err(wait) => {
                    let fallback = self.fall_back(&cache_key, cached, read);
                    return fallback.ok_or_else(|| unreachable(NOT_CACHED, wait));
                }
            };
            let has_stale_copy = self.fall_back(&cache_key, cached.clone(), read).is_some();
            let result = match waiter.context.deadline(has_stale_copy) {
                Some(deadline) => timeout_at(deadline, waiter.result()).await,
                None => Ok(waiter.result().await),
            };
            let Ok(result) = result else {
                let fallback = self.fall_back(&cache_key, cached, read);
                return fallback.ok_or_else(|| unreachable(NOT_CACHED, Duration::ZERO));
            };
            match result {
                Ok(outcome) if requirement.is_met_by(&outcome.cached) && suits(&outcome, &waiter, read) => {
                    let served =
                        Served { status: outcome.status(cached.is_some()), collapsed: waiter.joined };
                    return Ok(Reading { cached: outcome.cached, served, at: Instant::now() });
                }
                // The fetch began before a write this read must see, or for a less demanding reader.
                Ok(_) => {}
                Err(error) if waiter.joined && error.reason() == Reason::VersionNotReached => {}
                Err(error) if error.reason().is_outage() => {
                    return self.fall_back(&cache_key, cached, read).ok_or(error);
                }
                Err(error) => return Err(error),
            }
        }
        self.fall_back(&cache_key, cached, read).ok_or_else(behind)
    }

    /// What an answer to a read that begins now must show.
    fn requirement(
        &self,
        cache_key: &CacheKey,
        cached: Option<&Arc<CachedEntry>>,
        read: &ReadOptions,
    ) -> Requirement {
        let mut floor = match cache_key {
            CacheKey::Entry(..) => self.floor(&self.stripe(cache_key), cache_key),
            CacheKey::List(namespace, _) => {
                let current = self.incarnations.current(namespace);
                current.map(|current| current.log().newest()).unwrap_or_default()
            }
        };
        if let Some(cached) = cached.filter(|cached| !cached.incarnation.is_retired()) {
            floor.raise(Floor::written(cached.version));
        }
        Requirement { floor, reader: read.min_version }
    }

    /// The answer while upstream cannot be asked. It is decided anew at this moment: while the read waited, the entry may
    /// have expired, or a delete through this edge may have been acknowledged.
    fn fall_back(
        &self,
        cache_key: &CacheKey,
        cached: Option<Arc<CachedEntry>>,
        read: &ReadOptions,
    ) -> Option<Reading> {
        let at = Instant::now();
        let cached = self.cache.get(cache_key).or(cached)?;
        let floor = self.floor(&self.stripe(cache_key), cache_key);
        if floor.version.is_some_and(|version| cached.version < version) {
            return None;
        }
        let status = match judge(cache_key, &cached, at, read) {
            Decision::Serve | Decision::ServeAndRefresh => CacheStatus::Hit,
            Decision::ServeStale | Decision::Revalidate => CacheStatus::Stale,
            Decision::Fetch => return None,
        };
        Some(Reading { cached, served: status.into(), at })
    }
}

/// Whether the answer of a fetch is young enough for the read. One that the read started itself always is: it sent
/// the same bound to upstream.
fn suits(outcome: &FetchOutcome, waiter: &FetchWaiter, read: &ReadOptions) -> bool {
    let young_enough = read.cache_ttl.is_none_or(|ttl| outcome.cached.age(Instant::now()) <= ttl);
    !waiter.joined || outcome.stale || young_enough
}
