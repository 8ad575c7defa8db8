//! What a guard counts of its decisions: what was decided, and where it was known from. Neither tokens nor names are in
//! it, so the series are as many as there are rows here.

use std::fmt;

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::Permit;
use crate::{
    Error, Reason,
    metrics::{Count, counters},
};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on, be it only to what is cached.
    Allowed,
    /// 403.
    Forbidden,
    /// 401.
    Unauthenticated,
    /// It cannot be decided (503, 429).
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

    /// What a permit or a refusal says.
    pub(super) fn of(permit: &Result<Permit, Error>) -> Self {
        match permit.as_ref().map_err(Error::reason) {
            Ok(Permit::Full | Permit::CachedOnly) => Self::Allowed,
            Err(Reason::Forbidden) => Self::Forbidden,
            Err(Reason::Unauthenticated) => Self::Unauthenticated,
            Err(_) => Self::Unavailable,
        }
    }
}

/// Where a decision is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// There was no token to ask about.
    None,
    /// Remembered, and not too old.
    Cached,
    /// From the authority, asked for this request or for another at the same time.
    Asked,
    /// Remembered from before an outage of the authority.
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

/// All that there can be.
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

/// The decisions of one server. Shared by its guard and its metrics; all zero where nobody is asked who they are.
#[derive(Debug, Default)]
pub struct Decisions([Count; ROWS.len()]);

impl Decisions {
    pub(super) fn count(&self, outcome: Outcome, source: Source) {
        let row = ROWS.iter().position(|row| *row == (outcome, source));
        debug_assert!(row.is_some(), "{outcome:?} {source:?} is not foreseen");
        if let Some(row) = row {
            self.0[row].inc();
        }
    }

    /// How often something was decided.
    #[cfg(test)]
    pub(super) fn counted(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.rows().map(|(outcome, source, count)| (outcome.as_str(), source.as_str(), count)).collect()
    }

    fn rows(&self) -> impl Iterator<Item = (Outcome, Source, u64)> {
        ROWS.iter().zip(&self.0).map(|((outcome, source), count)| (*outcome, *source, count.get()))
    }
}

impl Collector for Decisions {
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
