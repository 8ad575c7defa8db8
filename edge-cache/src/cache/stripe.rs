//! The table of floors and of fetches in flight, in stripes. Every change of what is cached for a key happens under the
//! lock of the key's stripe: a write raises the floor, a fetch starts and ends. Reads from memory take no lock.

use std::sync::Arc;

use nearkv::{
    CacheStatus,
    coalesce::{InFlightTable, Waiter},
};
use tokio::time::Instant;

use crate::{
    circuit::Admission,
    coherence::{CacheKey, Floors},
    entry::CachedEntry,
    settings::{PROBE_PATIENCE, STALE_PATIENCE},
};

/// One part of the table.
#[derive(Debug, Default)]
pub(crate) struct Stripe {
    pub(crate) floors: Floors,
    pub(crate) in_flight: InFlightTable<CacheKey, FetchOutcome, FetchStart>,
}

/// A read's place at a fetch in flight.
pub(crate) type FetchWaiter = Waiter<FetchOutcome, FetchStart>;

/// How a fetch began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchStart {
    pub(crate) at: Instant,
    pub(crate) admission: Admission,
}

impl FetchStart {
    /// The deadline of a read that waits for the fetch; `None` if the read waits for its end, which its own time-outs
    /// bound. Counted from the start of the fetch: a read with a stale copy does not wait for a fetch that is late
    /// already.
    pub(crate) fn deadline(&self, has_stale_copy: bool) -> Option<Instant> {
        match (self.admission, has_stale_copy) {
            (Admission::Probe, true) => Some(self.at),
            (Admission::Probe, false) => Some(self.at + PROBE_PATIENCE),
            (Admission::Normal, true) => Some(self.at + STALE_PATIENCE),
            (Admission::Normal, false) => None,
        }
    }
}

/// What a fetch returned.
#[derive(Clone, Debug)]
pub(crate) struct FetchOutcome {
    pub(crate) cached: Arc<CachedEntry>,
    /// Upstream confirmed the cached answer, or sent the same again.
    pub(crate) confirmed: bool,
    /// Upstream could not ask its own origin, so this is not a refresh.
    pub(crate) stale: bool,
}

impl FetchOutcome {
    /// The cache status of a read that waited for it, with a cached answer before it or not.
    pub(crate) fn status(&self, was_cached: bool) -> CacheStatus {
        match (self.stale, was_cached, self.confirmed) {
            (true, _, _) => CacheStatus::Stale,
            (false, false, _) => CacheStatus::Miss,
            (false, true, true) => CacheStatus::Revalidated,
            (false, true, false) => CacheStatus::Expired,
        }
    }
}
