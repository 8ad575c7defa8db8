//! [`Memory`]: the contract over a `BTreeMap`, with nothing that could go wrong. Servers, clients and edges are
//! tested over it, and histories are compared with it.

mod kv;
mod namespaces;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    Answer, CacheStatus, Clock, Condition, Entry, Error, Expiration, Freshness, Incarnation, Key, Metadata,
    Namespace, Random, ReadOptions, State, UnixMillis, Version, limits::MIN_EXPIRATION_TTL,
};

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Shows `start`.
    #[must_use]
    pub fn at(start: UnixMillis) -> Self {
        Self(AtomicU64::new(start.0))
    }

    /// Jumps ahead.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Duration {
        Duration::from_millis(self.now().0)
    }
}

/// The reference model of a [`Kv`]. Everything happens at once and in one order.
pub struct Memory {
    clock: Arc<dyn Clock>,
    random: Random,
    freshness: Freshness,
    namespaces: Mutex<BTreeMap<Namespace, Data>>,
}

/// One KvNamespace.
#[derive(Clone)]
struct Data {
    title: String,
    version: Version,
    minimum_ttl: Duration,
    declared: BTreeSet<Key>,
    entries: BTreeMap<Key, Stored>,
}

#[derive(Clone)]
struct Stored {
    value: Bytes,
    metadata: Option<Metadata>,
    expiration: Option<Expiration>,
    version: Version,
}

impl Memory {
    /// Knows no KvNamespace yet. Answers may be used for 60 s, and for a day while it cannot be asked.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Random) -> Self {
        let freshness =
            Freshness { max_age: Duration::from_secs(60), stale_if_error: Duration::from_secs(86_400) };
        Self { clock, random, freshness, namespaces: Mutex::default() }
    }

    /// Other freshness lifetimes for all answers.
    #[must_use]
    pub fn with_freshness(self, freshness: Freshness) -> Self {
        Self { freshness, ..self }
    }

    /// Creates a KvNamespace, or replaces it by an empty one of another incarnation.
    pub fn create(&self, namespace: &Namespace) {
        self.create_titled(namespace, namespace.name());
    }

    fn create_titled(&self, namespace: &Namespace, title: &str) {
        let data = Data {
            title: title.to_owned(),
            version: Version::new(Incarnation::mint(&self.random), 0),
            minimum_ttl: MIN_EXPIRATION_TTL,
            declared: BTreeSet::new(),
            entries: BTreeMap::new(),
        };
        self.namespaces.lock().insert(namespace.clone(), data);
    }

    /// Removes a KvNamespace.
    pub fn remove(&self, namespace: &Namespace) {
        self.namespaces.lock().remove(namespace);
    }

    /// Declares keys as the KvNamespace object does: nobody else may write them. Their values stay.
    ///
    /// # Errors
    /// `namespace-missing` (400).
    pub fn declare(&self, namespace: &Namespace, keys: impl IntoIterator<Item = Key>) -> Result<(), Error> {
        self.with(namespace, |data, _| {
            data.declared = keys.into_iter().collect();
            Ok(())
        })
    }

    /// Sets the least time to live (`spec.expiration.minTtlSeconds`).
    ///
    /// # Errors
    /// `namespace-missing` (400).
    pub fn set_minimum_ttl(&self, namespace: &Namespace, minimum: Duration) -> Result<(), Error> {
        self.with(namespace, |data, _| {
            data.minimum_ttl = minimum;
            Ok(())
        })
    }

    fn with<T>(
        &self,
        namespace: &Namespace,
        f: impl FnOnce(&mut Data, UnixMillis) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let now = self.clock.now();
        let mut namespaces = self.namespaces.lock();
        let data = namespaces.get_mut(namespace).ok_or_else(|| Error::namespace_missing(namespace))?;
        f(data, now)
    }

    fn answer<T>(&self, body: T, version: Version, time: UnixMillis) -> Answer<T> {
        let state = State {
            version,
            age: Duration::ZERO,
            time,
            freshness: self.freshness,
            served: CacheStatus::Miss.into(),
        };
        Answer { body, state }
    }
}

impl Data {
    /// An expired entry counts as absent.
    fn present(&self, key: &Key, now: UnixMillis) -> Option<&Stored> {
        self.entries.get(key).filter(|stored| stored.lives(now))
    }

    fn reached(&self, options: &ReadOptions) -> Result<(), Error> {
        match options.min_version {
            Some(wanted) if !wanted.partial_cmp(&self.version).is_some_and(std::cmp::Ordering::is_le) => {
                Err(Error::version_not_reached(wanted, self.version))
            }
            _ => Ok(()),
        }
    }

    /// Whether the key may be written; if so, the version of the write.
    fn admit(
        &self,
        key: &Key,
        namespace: &Namespace,
        condition: Option<&Condition>,
        now: UnixMillis,
    ) -> Result<Version, Error> {
        if self.declared.contains(key) {
            return Err(Error::key_declared(key, namespace).with_version(self.version));
        }
        let present = self.present(key, now).map(|stored| stored.version);
        if condition.is_some_and(|condition| !condition.holds(present)) {
            return Err(Error::precondition_failed(key, self.version));
        }
        Ok(Version::new(self.version.incarnation, self.version.number + 1))
    }
}

impl Stored {
    fn lives(&self, now: UnixMillis) -> bool {
        !self.expiration.is_some_and(|expiration| expiration.has_passed(now))
    }

    fn entry(&self) -> Entry {
        let Self { value, metadata, expiration, version } = self.clone();
        Entry { value: value.into(), metadata, expiration, version }
    }
}
