//! Fetches from upstream: one per key at a time, shared by all reads that need it (`nearkv::coalesce`). A read joins or
//! starts a fetch here, `request` sends it with conditions, `upstream` waits for the answer and reports to the circuit,
//! and `settle` decides whether its result is cached. `errors` holds what clients read when upstream does not answer.

mod errors;
mod request;
mod settle;
mod upstream;

use std::{sync::Arc, time::Duration};

use nearkv::{Kv, ReadOptions};
use tokio::time::Instant;
use tracing::{Instrument, Span};

pub(crate) use self::errors::{behind, unreachable};
use self::{request::FetchRequest, settle::Fetch};
use crate::{
    cache::{FetchStart, FetchWaiter, Shared},
    coherence::CacheKey,
    entry::{CachedEntry, Requirement},
};

impl<K: Kv> Shared<K> {
    /// Joins the fetch in flight for the key, or starts one as a part of `trace`.
    ///
    /// # Errors
    /// The circuit is open: the time until it admits a probe.
    pub(crate) fn join_or_start_fetch(
        self: &Arc<Self>,
        cache_key: &CacheKey,
        cached: Option<&Arc<CachedEntry>>,
        read: &ReadOptions,
        requirement: &Requirement,
        trace: Span,
    ) -> Result<FetchWaiter, Duration> {
        let mut stripe = self.stripe(cache_key);
        let (waiter, task) = stripe.in_flight.join_or_start(cache_key, |_| {
            let at = Instant::now();
            let admission = self.circuit.admit(at)?;
            let fetch = Fetch { shared: self.clone(), cache_key: cache_key.clone(), ticket: self.ticket() };
            Ok((FetchStart { at, admission }, fetch))
        })?;
        drop(stripe);
        if let Some(task) = task {
            let is_usable = |cached: &&Arc<CachedEntry>| {
                !cached.incarnation.is_retired() && !cached.has_expired(waiter.context.at)
            };
            let request = FetchRequest {
                cache_ttl: read.cache_ttl,
                reader: requirement.reader,
                floor: requirement.floor.version,
                basis: cached.filter(is_usable).cloned(),
            };
            let (shared, cache_key) = (self.clone(), cache_key.clone());
            let fetch = async move { shared.fetch(&cache_key, request).await };
            self.tasks.spawn(task.run(fetch, self.stop.clone()).instrument(trace));
        }
        Ok(waiter)
    }
}
