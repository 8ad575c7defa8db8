//! [`Memory`]: the contract over a `BTreeMap`, with nothing that could go wrong. Servers, clients and edges are
//! tested over it, and histories are compared with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, stream::BoxStream};
use parking_lot::Mutex;

use crate::{
    Answer, BulkOutcome, CacheStatus, Clock, Condition, Cursor, DeleteOptions, Entry, Error, Expiration,
    Freshness, GetOptions, Incarnation, Key, Kv, ListOptions, Listed, Lookup, Metadata, Mutation, Namespace,
    NamespaceId, NamespaceInfo, Namespaces, Page, PutOptions, Random, ReadOptions, State, UnixMillis, Value,
    Version, check_title,
    limits::{MAX_LIST_KEYS, MIN_EXPIRATION_TTL},
    namespace_for_title,
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

#[async_trait]
impl Kv for Memory {
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        self.with(namespace, |data, now| {
            data.reached(&options.read)?;
            let lookup = match data.present(key, now) {
                None => Lookup::Absent,
                Some(stored) if options.if_none_match == Some(stored.version) => {
                    Lookup::Unchanged { version: stored.version, expiration: stored.expiration }
                }
                Some(stored) => Lookup::Found(stored.entry()),
            };
            Ok(self.answer(lookup, data.version, now))
        })
    }

    async fn get_many(
        &self,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        self.with(namespace, |data, now| {
            data.reached(options)?;
            let entries = keys.iter().map(|key| data.present(key, now).map(Stored::entry)).collect();
            Ok(self.answer(entries, data.version, now))
        })
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        let value = value.into_bytes().await?;
        self.with(namespace, |data, now| {
            let PutOptions { expiration, metadata, condition } = options;
            let expiration = expiration.map(|asked| asked.resolve(now, data.minimum_ttl)).transpose()?;
            let version = data.admit(key, namespace, condition.as_ref(), now)?;
            data.version = version;
            let stored = Stored { value, metadata: metadata.clone(), expiration, version };
            data.entries.insert(key.clone(), stored);
            Ok(self.answer(version, version, now))
        })
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        self.with(namespace, |data, now| {
            let version = data.admit(key, namespace, options.condition.as_ref(), now)?;
            if data.entries.remove(key).is_some() {
                data.version = version;
            }
            Ok(self.answer((), data.version, now))
        })
    }

    async fn write_many(
        &self,
        namespace: &Namespace,
        mut mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        self.with(namespace, |_, _| Ok(()))?;
        let mut taken = Vec::new();
        while let Some(mutation) = mutations.try_next().await? {
            taken.push(match mutation {
                Mutation::Put { key, value, options } => {
                    (key, Some((value.into_bytes().await?, options.clone())), options.condition)
                }
                Mutation::Delete { key, options } => (key, None, options.condition),
            });
        }
        self.with(namespace, |data, now| {
            let mut next = data.clone();
            let mut outcome = BulkOutcome { mutations: taken.len() as u64, ..BulkOutcome::default() };
            for (key, put, condition) in taken {
                let version = next.admit(&key, namespace, condition.as_ref(), now)?;
                let Some((value, PutOptions { expiration, metadata, condition: _ })) = put else {
                    let removed = next.entries.remove(&key).is_some();
                    next.version = if removed { version } else { next.version };
                    outcome.removed += u64::from(removed);
                    continue;
                };
                let expiration = expiration.map(|asked| asked.resolve(now, next.minimum_ttl)).transpose()?;
                next.version = version;
                next.entries.insert(key, Stored { value, metadata, expiration, version });
                outcome.written += 1;
            }
            *data = next;
            Ok(self.answer(outcome, data.version, now))
        })
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        let ListOptions { prefix, limit, cursor, read } = options;
        self.with(namespace, |data, now| {
            data.reached(read)?;
            if cursor.as_ref().is_some_and(|cursor| cursor.incarnation != data.version.incarnation) {
                return Err(Error::cursor_invalid());
            }
            let start = match cursor {
                Some(cursor) if cursor.after.as_str() >= prefix.as_str() => {
                    Bound::Excluded(cursor.after.as_str())
                }
                _ => Bound::Included(prefix.as_str()),
            };
            let mut matching = data
                .entries
                .range::<str, _>((start, Bound::Unbounded))
                .take_while(|(key, _)| prefix.covers(key))
                .filter(|(_, stored)| stored.lives(now));
            let listed = |(key, stored): (&Key, &Stored)| Listed {
                name: key.clone(),
                expiration: stored.expiration,
                metadata: stored.metadata.clone(),
            };
            let limit = limit.unwrap_or(MAX_LIST_KEYS);
            let keys: Vec<_> = matching.by_ref().take(limit).map(listed).collect();
            let more = matching.next().is_some();
            let after = keys.last().filter(|_| more).map(|last| last.name.clone());
            let incarnation = data.version.incarnation;
            let page = Page { cursor: after.map(|after| Cursor { incarnation, after }), keys };
            Ok(self.answer(page, data.version, now))
        })
    }
}

#[async_trait]
impl Namespaces for Memory {
    async fn accounts(&self) -> Result<Vec<String>, Error> {
        let namespaces = self.namespaces.lock();
        let mut accounts: Vec<_> =
            namespaces.keys().map(|namespace| namespace.account().to_owned()).collect();
        accounts.dedup();
        Ok(accounts)
    }

    async fn list(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error> {
        let namespaces = self.namespaces.lock();
        let own = namespaces.iter().filter(|(namespace, _)| namespace.account() == account);
        let info = |(namespace, data): (&Namespace, &Data)| NamespaceInfo {
            namespace: namespace.clone(),
            title: data.title.clone(),
        };
        Ok(own.map(info).collect())
    }

    async fn find(&self, account: &str, id: NamespaceId) -> Result<Option<NamespaceInfo>, Error> {
        Ok(Namespaces::list(self, account).await?.into_iter().find(|info| info.namespace.id() == id))
    }

    async fn create(&self, account: &str, title: &str) -> Result<NamespaceInfo, Error> {
        if Namespaces::list(self, account).await?.iter().any(|info| info.title == title) {
            return Err(Error::title_taken(account, title));
        }
        let namespace = namespace_for_title(account, title, 0)?;
        self.create_titled(&namespace, title);
        Ok(NamespaceInfo { namespace, title: title.to_owned() })
    }

    async fn rename(&self, account: &str, id: NamespaceId, title: &str) -> Result<NamespaceInfo, Error> {
        check_title(title)?;
        let all = Namespaces::list(self, account).await?;
        if all.iter().any(|info| info.title == title && info.namespace.id() != id) {
            return Err(Error::title_taken(account, title));
        }
        let found = all.into_iter().find(|info| info.namespace.id() == id);
        let namespace = found.ok_or_else(|| Error::namespace_unknown(account, id))?.namespace;
        self.with(&namespace, |data, _| {
            data.title = title.to_owned();
            Ok(())
        })?;
        Ok(NamespaceInfo { namespace, title: title.to_owned() })
    }

    async fn delete(&self, account: &str, id: NamespaceId) -> Result<(), Error> {
        let found = self.find(account, id).await?.ok_or_else(|| Error::namespace_unknown(account, id))?;
        self.remove(&found.namespace);
        Ok(())
    }
}
