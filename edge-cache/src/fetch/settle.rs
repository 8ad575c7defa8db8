//! The end of a fetch: its result is cached if it is newer than the cached answer and not below the floor.
//!
//! Stories, all decided under the stripe's lock:
//!
//! *Put during a fetch.* t0 a miss sends a fetch of k. t1 a put of k is sent. t2 upstream reads k at version 9 for the
//! fetch. t3 upstream commits the put as 10 and acknowledges it: the floor of k is 10, the new value is cached. t4 the
//! answer of version 9 arrives. It is below the floor and is not cached. The reader of t0 began before the
//! acknowledgement and may have it. A reader that began after t3 and joined the fetch requires 10, and fetches again,
//! asking for at least that.
//!
//! *Delete during a refresh.* The same with an absence cached at t3: the refresh cannot bring the entry back.
//!
//! *Lagging replica.* t0 a put through this edge is acknowledged as 10, and later evicted. t1 a miss reaches a replica
//! that is at 9. The floor is outside the cache and is sent with the request: the replica must catch up.
//!
//! *Unknown outcome.* t0 a refresh is sent. t1 a put fails with an unknown outcome: the floor of k demands answers to
//! requests sent after t1, and the cached answer is suspect. t2 the answer of the refresh arrives. Its request was sent
//! before t1, so it is not cached. The next read fetches again.

use std::sync::Arc;

use nearkv::{
    Error, Kv,
    coalesce::{Abandoned, Settle},
};
use tokio::time::Instant;

use super::errors::{broken_off, shutting_down};
use crate::{
    cache::{FetchOutcome, Shared},
    coherence::{CacheKey, Floor, Ticket},
    settings::REFRESH_PAUSE,
};

/// A fetch in flight.
pub(super) struct Fetch<K> {
    pub(super) shared: Arc<Shared<K>>,
    pub(super) cache_key: CacheKey,
    pub(super) ticket: Ticket,
}

impl<K: Kv> Settle for Fetch<K> {
    type Output = FetchOutcome;

    fn settle(&self, result: &Result<FetchOutcome, Error>) {
        let Self { shared, cache_key, .. } = self;
        let mut stripe = shared.stripe(cache_key);
        self.store(result, shared.floor(&stripe, cache_key));
        stripe.in_flight.remove(cache_key);
        drop(stripe);
        if let Err(error) = result {
            tracing::debug!(key = ?cache_key, reason = error.reason().as_str(), %error, "a fetch failed");
        }
    }

    fn abandon(&self, cause: Abandoned) -> Error {
        match cause {
            Abandoned::Shutdown => shutting_down(),
            Abandoned::BrokenOff => {
                // A probe that reports nothing would leave the circuit half-open for ever.
                let now = Instant::now();
                self.shared.circuit.silent(now, now);
                broken_off()
            }
        }
    }
}

impl<K: Kv> Fetch<K> {
    fn store(&self, result: &Result<FetchOutcome, Error>, floor: Floor) {
        let Self { shared, cache_key, ticket } = self;
        let sent_in_time = floor.after.is_none_or(|after| *ticket > after);
        let is_news = match result {
            Ok(FetchOutcome { cached, confirmed: _, stale }) => {
                let present = shared.cache.get(cache_key);
                let newer = present.is_none_or(|present| cached.supersedes(&present));
                let stores = newer
                    && !cached.incarnation.is_retired()
                    && floor.admits(cached.version, cached.proof.ticket);
                if stores {
                    shared.cache.insert(cache_key.clone(), cached.clone());
                }
                stores && !stale
            }
            Err(_) => false,
        };
        // A suspect answer must be revalidated by the next read if its upstream was not asked since.
        if !is_news
            && sent_in_time
            && let Some(present) = shared.cache.get(cache_key)
        {
            present.pause_until(Instant::now() + REFRESH_PAUSE);
        }
    }
}
