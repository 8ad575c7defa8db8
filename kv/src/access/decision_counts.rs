//! The counters of a guard's decisions, by outcome and by source. They hold neither tokens nor names, so there are as
//! many series as there are rows here.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::Permit;
use crate::{
    Error, Reason,
    metrics::{Count, counters},
};

/// What the guard decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Served, also if only from the cache.
    Allowed,
    /// 403.
    Forbidden,
    /// 401.
    Unauthenticated,
    /// The guard could not decide (503, 429).
    Unavailable,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
        }
    }

    /// The outcome of a permit or a refusal.
    pub(super) fn of(permit: &Result<Permit, Error>) -> Self {
        match permit.as_ref().map_err(Error::reason) {
            Ok(Permit::Full | Permit::CachedOnly) => Self::Allowed,
            Err(Reason::Forbidden) => Self::Forbidden,
            Err(Reason::Unauthenticated) => Self::Unauthenticated,
            Err(_) => Self::Unavailable,
        }
    }
}

/// Where a decision came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The request had no token.
    None,
    /// The cache, in its time.
    Cached,
    /// The authority, by a request of this caller or by one it joined.
    Asked,
    /// The cache, from before an outage of the authority.
    Stale,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Cached => "cached",
            Self::Asked => "asked",
            Self::Stale => "stale",
        }
    }
}

/// Every combination that occurs.
const ROWS: [(Outcome, Source); 9] = [
    (Outcome::Allowed, Source::Cached),
    (Outcome::Allowed, Source::Asked),
    (Outcome::Allowed, Source::Stale),
    (Outcome::Forbidden, Source::Cached),
    (Outcome::Forbidden, Source::Asked),
    (Outcome::Unauthenticated, Source::None),
    (Outcome::Unauthenticated, Source::Cached),
    (Outcome::Unauthenticated, Source::Asked),
    (Outcome::Unavailable, Source::Asked),
];

/// The counters of one server, shared by its guard and its metrics. All zero without authentication.
#[derive(Debug, Default)]
pub struct DecisionCounts([Count; ROWS.len()]);

impl DecisionCounts {
    pub(super) fn count(&self, outcome: Outcome, source: Source) {
        let row = ROWS.iter().position(|row| *row == (outcome, source));
        debug_assert!(row.is_some(), "{outcome:?} {source:?} is not foreseen");
        if let Some(row) = row {
            self.0[row].inc();
        }
    }

    /// The counters by their labels.
    #[cfg(test)]
    pub(super) fn counted(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.rows().map(|(outcome, source, count)| (outcome.as_str(), source.as_str(), count)).collect()
    }

    fn rows(&self) -> impl Iterator<Item = (Outcome, Source, u64)> {
        ROWS.iter().zip(&self.0).map(|((outcome, source), count)| (*outcome, *source, count.get()))
    }
}

impl Collector for DecisionCounts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let series = self.rows().map(|(outcome, source, count)| {
            ([("decision", outcome.as_str()), ("source", source.as_str())], count)
        });
        counters(
            &mut encoder,
            "nearkv_access_decisions",
            "Decisions about callers, by what was decided and where it was known from",
            None,
            series,
        )
    }
}
