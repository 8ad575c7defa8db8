//! The decision of design §7 whether a cached answer may be served. It is pure, and made at every read by the age of the
//! cached answer and the reader's own bounds. Nothing is evicted because of its age.

use nearkv::ReadOptions;
use tokio::time::Instant;

use crate::{
    coherence::CacheKey,
    entry::{Body, CachedEntry},
    settings::REFRESH_AFTER_QUARTERS,
};

/// What to do with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Answer from memory.
    Serve,
    /// Answer from memory, and start a refresh if none is in flight.
    ServeAndRefresh,
    /// Ask upstream. The cached answer may be served if upstream does not answer in time.
    Revalidate,
    /// Serve the cached answer, marked stale: a request a moment ago returned nothing new.
    ServeStale,
    /// Ask upstream. The cached answer must not be served.
    Fetch,
}

/// Decides about the cached answer of a key for a read at this moment.
pub(crate) fn judge(
    cache_key: &CacheKey,
    cached: &CachedEntry,
    now: Instant,
    read: &ReadOptions,
) -> Decision {
    if cached.incarnation.is_retired()
        || cached.has_expired(now)
        || !shows(cached, read)
        || !shows_writes(cache_key, cached)
    {
        return Decision::Fetch;
    }
    let freshness = cached.proof.freshness;
    // A reader that accepts an old value does not thereby accept an old absence.
    let ttl = match (read.cache_ttl, &cached.body) {
        (Some(ttl), Body::Absent) => ttl.min(freshness.max_age),
        (Some(ttl), Body::Found(_) | Body::Page(..)) => ttl,
        (None, _) => freshness.max_age,
    };
    let age = cached.age(now);
    if cached.suspect || age > ttl {
        // RFC 5861 §4: "stale-if-error … the response MAY be used … up to the number of seconds past freshness"
        return if age > ttl.max(freshness.max_age) + freshness.stale_if_error {
            Decision::Fetch
        } else if cached.is_paused(now) {
            Decision::ServeStale
        } else {
            Decision::Revalidate
        };
    }
    if age > ttl / 4 * REFRESH_AFTER_QUARTERS && !cached.is_paused(now) {
        return Decision::ServeAndRefresh;
    }
    Decision::Serve
}

/// Whether it shows the version the reader asks for. A version of another incarnation cannot be compared, so it does
/// not.
fn shows(cached: &CachedEntry, read: &ReadOptions) -> bool {
    read.min_version.is_none_or(|wanted| cached.version >= wanted)
}

/// Whether a page shows all writes through this edge under its prefix. Entries need no such check: a write replaces or
/// drops the cached answer of its key.
fn shows_writes(cache_key: &CacheKey, cached: &CachedEntry) -> bool {
    match (cache_key, &cached.body) {
        (CacheKey::List(_, query), Body::Page(_, since)) => {
            cached.incarnation.log().admits(*since, &query.prefix, cached.version, cached.proof.ticket)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
