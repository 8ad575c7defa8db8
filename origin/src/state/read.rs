//! Reads: from the snapshot, without a lock. Expired entries are absent, by the injected clock.

use std::{sync::Arc, time::Duration};

use nearkv::{
    Answer, CacheStatus, Cursor, Entry, Error, Freshness, GetOptions, Key, ListOptions, Listed, Lookup, Page,
    ReadOptions, Served, State, Value, Version, limits::MAX_LIST_KEYS,
};

use crate::{
    format::StoredValue,
    state::{entries::Slot, health::damaged_range, snapshot::Snapshot, space::Space},
    values,
};

/// What answers a read.
pub(crate) struct Reading {
    pub(crate) snapshot: Arc<Snapshot>,
    /// As of when it is proven, or what it has become since.
    pub(crate) proven: Duration,
}

impl Space {
    /// The state of an answer that is proven as of `proven`.
    pub(crate) fn state(
        &self,
        version: Version,
        proven: Duration,
        absence: bool,
        cache_ttl: Option<Duration>,
    ) -> State {
        let cache = self.config().cache;
        let max_age = if absence { cache.ttl.min(cache.negative_ttl) } else { cache.ttl };
        let age = self.moment().saturating_sub(proven);
        let status = if age > cache_ttl.unwrap_or(max_age) { CacheStatus::Stale } else { CacheStatus::Miss };
        State {
            version,
            age,
            time: self.context.clock.now(),
            freshness: Freshness { max_age, stale_if_error: cache.stale_if_error },
            served: Served::from(status),
        }
    }

    pub(crate) fn get(
        &self,
        reading: &Reading,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        let Reading { snapshot: view, proven } = reading;
        let body = match self.find(view, key)? {
            None => Lookup::Absent,
            Some(slot) => {
                let version = Version::new(view.root.incarnation, slot.version);
                if options.if_none_match == Some(version) {
                    Lookup::Unchanged { version, expiration: slot.put.expiration }
                } else {
                    Lookup::Found(self.entry(view, slot))
                }
            }
        };
        let absence = matches!(body, Lookup::Absent);
        Ok(Answer { body, state: self.state(view.version(), *proven, absence, options.read.cache_ttl) })
    }

    pub(crate) fn get_many(
        &self,
        reading: &Reading,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        let Reading { snapshot: view, proven } = reading;
        let entry = |key| Ok(self.find(view, key)?.map(|slot| self.entry(view, slot)));
        let body: Vec<Option<Entry>> = keys.iter().map(entry).collect::<Result<_, Error>>()?;
        let absence = body.iter().any(Option::is_none);
        Ok(Answer { body, state: self.state(view.version(), *proven, absence, options.cache_ttl) })
    }

    /// How many keys a list may show, checked before anything is read.
    pub(crate) fn list_limit(options: &ListOptions) -> Result<usize, Error> {
        let limit = options.limit.unwrap_or(MAX_LIST_KEYS);
        if limit == 0 || limit > MAX_LIST_KEYS {
            return Err(Error::limit_invalid(&limit.to_string()));
        }
        Ok(limit)
    }

    pub(crate) fn list(
        &self,
        reading: &Reading,
        limit: usize,
        options: &ListOptions,
    ) -> Result<Answer<Page>, Error> {
        let Reading { snapshot: view, proven } = reading;
        let after = match &options.cursor {
            Some(Cursor { incarnation, .. }) if *incarnation != view.root.incarnation => {
                return Err(Error::cursor_invalid());
            }
            cursor => cursor.as_ref().map(|cursor| &cursor.after),
        };
        if let Some(damage) = view.damage.iter().find(|damage| damage.meets(&options.prefix)) {
            return Err(damaged_range(&self.config(), &damage.detail));
        }
        let now = self.context.clock.now();
        let mut live = view.entries.from(&options.prefix, after).filter(|slot| slot.lives(now));
        let keys: Vec<Listed> = live.by_ref().take(limit).map(|slot| listed(slot)).collect();
        let cursor = match (keys.last(), live.next()) {
            (Some(last), Some(_)) => {
                Some(Cursor { incarnation: view.root.incarnation, after: last.name.clone() })
            }
            _ => None,
        };
        drop(live);
        let body = Page { keys, cursor };
        Ok(Answer { body, state: self.state(view.version(), *proven, false, options.read.cache_ttl) })
    }

    fn find<'a>(&self, view: &'a Snapshot, key: &Key) -> Result<Option<&'a Arc<Slot>>, Error> {
        if let Some(damage) = view.damage_of(key) {
            return Err(damaged_range(&self.config(), &damage.detail));
        }
        let live = view.entries.live(key, self.context.clock.now());
        if let Some(detail) = live.and_then(|slot| self.values.of(slot)) {
            return Err(damaged_range(&self.config(), &detail));
        }
        Ok(live)
    }

    fn entry(&self, view: &Snapshot, slot: &Slot) -> Entry {
        let Slot { version, put } = slot;
        let value = match &put.value {
            StoredValue::Inline(bytes) => Value::Bytes(bytes.clone()),
            StoredValue::Chunked(named) => {
                let value = values::read(&self.context.store, &self.context.chunks, &self.namespace, named);
                self.values.doubting(&put.key, value)
            }
        };
        Entry {
            value,
            metadata: put.metadata.clone(),
            expiration: put.expiration,
            version: Version::new(view.root.incarnation, *version),
        }
    }
}

fn listed(slot: &Slot) -> Listed {
    Listed {
        name: slot.put.key.clone(),
        expiration: slot.put.expiration,
        metadata: slot.put.metadata.clone(),
    }
}
