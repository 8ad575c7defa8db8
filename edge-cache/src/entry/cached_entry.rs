//! A cached answer, and what is true of it at a later moment: its age, the origin's time, its weight. It does not
//! change; a new answer replaces it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use nearkv::{
    Entry, Expiration, Freshness, Listed, Metadata, Page, Served, State, UnixMillis, Value, Version,
};
use tokio::time::Instant;

use crate::{
    coherence::{CacheKey, IncarnationState, Position, Ticket},
    settings::{ENTRY_OVERHEAD_BYTES, LISTED_OVERHEAD_BYTES},
};

/// An answer of upstream, or the result of an acknowledged write.
#[derive(Debug)]
pub(crate) struct CachedEntry {
    /// The incarnation it belongs to.
    pub(crate) incarnation: Arc<IncarnationState>,
    /// The answer itself.
    pub(crate) body: Body,
    /// The version at which it is true.
    pub(crate) version: Version,
    /// How current it was when it was fetched, and how long it may be used.
    pub(crate) proof: Proof,
    /// A write with an unknown outcome came after it: it must be revalidated before it is served.
    pub(crate) suspect: bool,
    /// Milliseconds after `proof.sent` before which no refresh starts; 0 for none.
    pause: AtomicU64,
}

/// The request that upstream answered, and how current its answer was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    /// The place of the request among the writes.
    pub(crate) ticket: Ticket,
    /// When the request was sent. The age counts from here: upstream cannot have read its state earlier, and nothing
    /// tells how long the answer travelled.
    pub(crate) sent: Instant,
    /// The age upstream gave it.
    pub(crate) age: Duration,
    /// The clock that upstream judged expirations by. It runs on from `sent`, so an entry may expire at this edge up to
    /// one round trip early, never late.
    pub(crate) time: UnixMillis,
    /// How long it may be used.
    pub(crate) freshness: Freshness,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// The entry, whole.
    Found(Found),
    /// There is no such entry.
    Absent,
    /// A page of a list, and the newest write when it was requested.
    Page(Arc<Page>, Position),
}

/// An entry in memory.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) bytes: Bytes,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) expiration: Option<Expiration>,
    pub(crate) version: Version,
}

impl Found {
    pub(crate) fn to_entry(&self) -> Entry {
        Entry {
            value: Value::Bytes(self.bytes.clone()),
            metadata: self.metadata.clone(),
            expiration: self.expiration,
            version: self.version,
        }
    }
}

impl Proof {
    pub(crate) fn new(ticket: Ticket, sent: Instant, state: &State) -> Self {
        Self { ticket, sent, age: state.age, time: state.time, freshness: state.freshness }
    }
}

impl CachedEntry {
    pub(crate) fn new(
        incarnation: Arc<IncarnationState>,
        body: Body,
        version: Version,
        proof: Proof,
    ) -> Self {
        Self { incarnation, body, version, proof, suspect: false, pause: AtomicU64::new(0) }
    }

    /// The same, to be revalidated before it is served.
    pub(crate) fn suspected(&self) -> Self {
        let Self { incarnation, body, version, proof, suspect: _, pause: _ } = self;
        Self {
            incarnation: incarnation.clone(),
            body: body.clone(),
            version: *version,
            proof: *proof,
            suspect: true,
            pause: AtomicU64::new(0),
        }
    }

    /// How long ago it was known to be the newest state.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.proof.age + now.saturating_duration_since(self.proof.sent)
    }

    /// The origin's clock at that moment.
    pub(crate) fn time(&self, now: Instant) -> UnixMillis {
        self.proof.time.plus(now.saturating_duration_since(self.proof.sent))
    }

    /// Whether it is an entry that has expired.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        match &self.body {
            Body::Found(Found { expiration: Some(expiration), .. }) => expiration.has_passed(self.time(now)),
            Body::Found(_) | Body::Absent | Body::Page(..) => false,
        }
    }

    /// The version of the entity tag, if it is an entry.
    pub(crate) fn entry_version(&self) -> Option<Version> {
        match &self.body {
            Body::Found(found) => Some(found.version),
            Body::Absent | Body::Page(..) => None,
        }
    }

    /// Whether it replaces `other`: it shows a newer version, or the same one known to be the newest at a later moment.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        if other.incarnation.is_retired() || self.version > other.version {
            return true;
        }
        // known at = sent - age, compared without going below the first instant
        let later = self.proof.sent + other.proof.age > other.proof.sent + self.proof.age;
        self.version == other.version && (later || other.suspect)
    }

    /// No refresh for a while: the last one returned nothing new.
    pub(crate) fn pause_until(&self, until: Instant) {
        let after = until.saturating_duration_since(self.proof.sent).as_millis();
        self.pause.store(u64::try_from(after).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn is_paused(&self, now: Instant) -> bool {
        let pause = self.pause.load(Ordering::Relaxed);
        pause > 0 && now < self.proof.sent + Duration::from_millis(pause)
    }

    /// The state of an answer made of it.
    pub(crate) fn state(&self, now: Instant, served: Served) -> State {
        State {
            version: self.version,
            age: self.age(now),
            time: self.time(now),
            freshness: self.proof.freshness,
            served,
        }
    }

    /// Bytes that count against the cache's budget.
    pub(crate) fn weight(&self, cache_key: &CacheKey) -> u32 {
        let listed = |item: &Listed| {
            let metadata = item.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
            item.name.as_str().len() + metadata + LISTED_OVERHEAD_BYTES
        };
        let body = match &self.body {
            Body::Found(found) => {
                found.bytes.len() + found.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len())
            }
            Body::Absent => 0,
            Body::Page(page, _) => page.keys.iter().map(listed).sum(),
        };
        u32::try_from(cache_key.bytes() + body + ENTRY_OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }
}
