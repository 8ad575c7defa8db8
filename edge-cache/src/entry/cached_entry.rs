//! What the cache holds for a slot, and what is true of it at a later moment: its age, the origin's time, its
//! weight. Nothing here changes; a new answer makes a new one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use nearkv::{
    CacheStatus, Entry, Expiration, Freshness, Listed, Metadata, Page, Served, State, UnixMillis, Value,
    Version,
};
use tokio::time::Instant;

use crate::{
    floor::Ticket,
    life::Life,
    lists::Position,
    settings::{HELD_OVERHEAD_BYTES, LISTED_OVERHEAD_BYTES},
    slot::Slot,
};

/// An answer of upstream (or what an acknowledged write made true), kept.
#[derive(Debug)]
pub(crate) struct Held {
    /// The incarnation it belongs to.
    pub(crate) life: Arc<Life>,
    /// The answer itself.
    pub(crate) body: Body,
    /// The state at which it is true.
    pub(crate) version: Version,
    /// How current it was, and how current it may become.
    pub(crate) proof: Proof,
    /// A write with an unknown outcome came after it: it may not be served without asking upstream.
    pub(crate) suspect: bool,
    /// Milliseconds after `proof.sent` until which no refresh is tried again; 0 for none.
    pause: AtomicU64,
}

/// When upstream said so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    /// The order of the request among writes.
    pub(crate) ticket: Ticket,
    /// When the request was sent. Its age counts from here: upstream cannot have judged it any earlier, and how
    /// long the answer travelled cannot be known.
    pub(crate) sent: Instant,
    /// The age upstream gave it.
    pub(crate) age: Duration,
    /// The clock upstream judged expirations by. Carried forward from `sent`, so an entry may end for this edge
    /// up to one round trip early, never late.
    pub(crate) time: UnixMillis,
    /// How long it may be used.
    pub(crate) freshness: Freshness,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// The entry, whole.
    Found(Found),
    /// That there is no such entry.
    Absent,
    /// A page of a list, and the writes that were known when it was asked for.
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

impl Held {
    pub(crate) fn new(life: Arc<Life>, body: Body, version: Version, proof: Proof) -> Self {
        Self { life, body, version, proof, suspect: false, pause: AtomicU64::new(0) }
    }

    /// The same, to be served only after upstream was asked.
    pub(crate) fn suspected(&self) -> Self {
        let Self { life, body, version, proof, suspect: _, pause: _ } = self;
        Self {
            life: life.clone(),
            body: body.clone(),
            version: *version,
            proof: *proof,
            suspect: true,
            pause: AtomicU64::new(0),
        }
    }

    /// How long ago this was known to be the newest state.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.proof.age + now.saturating_duration_since(self.proof.sent)
    }

    /// The origin's clock at this moment.
    pub(crate) fn time(&self, now: Instant) -> UnixMillis {
        self.proof.time.plus(now.saturating_duration_since(self.proof.sent))
    }

    /// Whether it is an entry that has ended.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        match &self.body {
            Body::Found(Found { expiration: Some(expiration), .. }) => expiration.has_passed(self.time(now)),
            Body::Found(_) | Body::Absent | Body::Page(..) => false,
        }
    }

    /// The entity tag's version, where there is an entry.
    pub(crate) fn entry_version(&self) -> Option<Version> {
        match &self.body {
            Body::Found(found) => Some(found.version),
            Body::Absent | Body::Page(..) => None,
        }
    }

    /// Whether this is to be kept in place of `other`: it shows a newer state, or the same one known to be the
    /// newest at a later moment.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        if other.life.is_over() || self.version > other.version {
            return true;
        }
        // known at = sent - age, compared without going below the first instant
        let later = self.proof.sent + other.proof.age > other.proof.sent + self.proof.age;
        self.version == other.version && (later || other.suspect)
    }

    /// No refresh for a while: one has just brought nothing new.
    pub(crate) fn pause_until(&self, until: Instant) {
        let after = until.saturating_duration_since(self.proof.sent).as_millis();
        self.pause.store(u64::try_from(after).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn is_paused(&self, now: Instant) -> bool {
        let pause = self.pause.load(Ordering::Relaxed);
        pause > 0 && now < self.proof.sent + Duration::from_millis(pause)
    }

    /// The state of an answer made from it.
    pub(crate) fn state(&self, now: Instant, served: Served) -> State {
        State {
            version: self.version,
            age: self.age(now),
            time: self.time(now),
            freshness: self.proof.freshness,
            served,
        }
    }

    /// Bytes counted against the cache's budget.
    pub(crate) fn weight(&self, slot: &Slot) -> u32 {
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
        u32::try_from(slot.bytes() + body + HELD_OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }
}

/// What a flight brought home.
#[derive(Clone, Debug)]
pub(crate) struct Landing {
    pub(crate) held: Arc<Held>,
    /// Upstream confirmed what was held, or sent it anew.
    pub(crate) confirmed: bool,
    /// Upstream could not ask its own origin: this is no refresh.
    pub(crate) stale: bool,
}

impl Landing {
    /// The status of a read that waited for it, with something held before or not.
    pub(crate) fn status(&self, held_before: bool) -> CacheStatus {
        match (self.stale, held_before, self.confirmed) {
            (true, _, _) => CacheStatus::Stale,
            (false, false, _) => CacheStatus::Miss,
            (false, true, true) => CacheStatus::Revalidated,
            (false, true, false) => CacheStatus::Expired,
        }
    }
}
