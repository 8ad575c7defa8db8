//! Whether what is held answers a read: the pure decision of design §7, judged at every read by the age of what
//! is held and the reader's own bounds. Nothing is ever thrown away because of its age.

use nearkv::ReadOptions;
use tokio::time::Instant;

use crate::{
    held::{Body, Held},
    settings::REFRESH_AFTER_QUARTERS,
    slot::Slot,
};

/// What to do with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Answer from memory.
    Serve,
    /// Answer from memory, and see to it that a refresh is on its way.
    ServeAndRefresh,
    /// Ask upstream; what is held may be given if upstream does not answer in time.
    Revalidate,
    /// Give what is held, marked stale: upstream was asked a moment ago and could not help.
    ServeStale,
    /// Ask upstream; what is held must not be given.
    Fetch,
}

/// Judges what is held under the slot for a read at this moment.
pub(crate) fn judge(slot: &Slot, held: &Held, now: Instant, read: &ReadOptions) -> Decision {
    if held.life.is_over() || held.has_expired(now) || !shows(held, read) || !shows_writes(slot, held) {
        return Decision::Fetch;
    }
    let freshness = held.proof.freshness;
    // An absence is not kept longer because the reader would accept an old value.
    let ttl = match (read.cache_ttl, &held.body) {
        (Some(ttl), Body::Absent) => ttl.min(freshness.max_age),
        (Some(ttl), Body::Found(_) | Body::Page(..)) => ttl,
        (None, _) => freshness.max_age,
    };
    let age = held.age(now);
    if held.suspect || age > ttl {
        // RFC 5861 §4: "stale-if-error … the response MAY be used … up to the number of seconds past freshness"
        return if age > ttl.max(freshness.max_age) + freshness.stale_if_error {
            Decision::Fetch
        } else if held.is_paused(now) {
            Decision::ServeStale
        } else {
            Decision::Revalidate
        };
    }
    if age > ttl / 4 * REFRESH_AFTER_QUARTERS && !held.is_paused(now) {
        return Decision::ServeAndRefresh;
    }
    Decision::Serve
}

/// Whether it shows the state the reader asks for. A state of another incarnation cannot be compared, so it does
/// not.
fn shows(held: &Held, read: &ReadOptions) -> bool {
    read.min_version.is_none_or(|wanted| held.version >= wanted)
}

/// Whether a page shows all writes through this edge under its prefix. Entries need no such look: a write
/// replaces or drops what is held of its key.
fn shows_writes(slot: &Slot, held: &Held) -> bool {
    match (slot, &held.body) {
        (Slot::List(_, query), Body::Page(_, since)) => {
            held.life.log().admits(*since, &query.prefix, held.version, held.proof.ticket)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
