//! What the test says, and the states there have been. Pure.

use std::{collections::BTreeMap, time::Duration};

use nearkv::{
    CacheStatus, Entry, Expiration, Freshness, GetOptions, Incarnation, Key, ListOptions, PutOptions, Random,
    Reason, Value, Version,
};

/// What upstream does with requests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mood {
    Well,
    /// Every request fails at once with this reason; as unavailable, because no connection can be made.
    Failing(Reason),
    /// No request is ever answered.
    Silent,
    /// The code that asks has a fault.
    Panicking,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Writes {
    Acknowledged,
    /// Committed, and the acknowledgement is lost.
    LostAfterCommit,
    /// Not committed, and nobody can say so.
    LostBeforeCommit,
    Refused(Reason),
}

pub(super) type Entries = BTreeMap<Key, Stored>;

#[derive(Clone, Debug)]
pub(super) struct Stored {
    bytes: bytes::Bytes,
    pub(super) options: PutOptions,
    pub(super) expiration: Option<Expiration>,
    pub(super) version: Version,
}

impl Stored {
    pub(super) fn into_entry(self) -> Entry {
        let Self { bytes, options, expiration, version } = self;
        Entry { value: Value::Bytes(bytes), metadata: options.metadata, expiration, version }
    }
}

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) mood: Mood,
    pub(crate) writes: Writes,
    /// Travel of a request, before its state is read.
    pub(crate) there: Duration,
    /// Travel of an answer.
    pub(crate) back: Duration,
    /// The age and status of answers.
    pub(crate) age: Duration,
    pub(crate) status: CacheStatus,
    pub(crate) freshness: Freshness,
    /// How far reads are behind, in states, unless a minimal version is asked for.
    pub(crate) lag: u64,
    /// All gets so far.
    pub(crate) gets: Vec<GetOptions>,
    /// All lists so far.
    pub(crate) lists: Vec<ListOptions>,
    incarnation: Incarnation,
    history: Vec<Entries>,
}

impl Script {
    /// All is well, and nothing is there.
    pub(super) fn new() -> Self {
        Self {
            mood: Mood::Well,
            writes: Writes::Acknowledged,
            there: Duration::ZERO,
            back: Duration::ZERO,
            age: Duration::ZERO,
            status: CacheStatus::Miss,
            freshness: Freshness {
                max_age: Duration::from_secs(60),
                stale_if_error: Duration::from_secs(3600),
            },
            lag: 0,
            gets: Vec::new(),
            lists: Vec::new(),
            incarnation: Incarnation::mint(&Random::seeded(1)),
            history: vec![BTreeMap::new()],
        }
    }

    /// Another life of the data, which begins with nothing.
    pub(super) fn restore(&mut self, seed: u64) {
        self.incarnation = Incarnation::mint(&Random::seeded(seed));
        self.history = vec![BTreeMap::new()];
    }

    /// The entries of a state.
    pub(super) fn entries(&self, version: Version) -> &Entries {
        &self.history[version.number as usize]
    }

    pub(super) fn newest(&self) -> Version {
        Version::new(self.incarnation, self.history.len() as u64 - 1)
    }

    pub(super) fn commit(
        &mut self,
        key: &Key,
        bytes: Option<bytes::Bytes>,
        options: PutOptions,
        expiration: Option<Expiration>,
    ) -> Version {
        let mut entries = self.history.last().unwrap().clone();
        let version = Version::new(self.incarnation, self.history.len() as u64);
        match bytes {
            Some(bytes) => entries.insert(key.clone(), Stored { bytes, options, expiration, version }),
            None => entries.remove(key),
        };
        self.history.push(entries);
        version
    }
}
