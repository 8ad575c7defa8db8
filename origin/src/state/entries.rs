//! The entries of a KvNamespace in memory: an immutable ordered map that is cheap to copy and to change, with
//! what is counted of it. Pure.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use nearkv::{Key, Prefix, UnixMillis};

use crate::{
    format::{Put, Record, StateDigest, StoredValue},
    state::expired::{Counts, Ending, Expired, Moment},
};

/// An entry with the version it was written at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) version: u64,
    pub(crate) put: Put,
}

impl Slot {
    /// What quotas count: key, value and metadata.
    pub(crate) fn user_bytes(&self) -> u64 {
        let metadata = self.put.metadata.as_ref().map_or(0, |metadata| metadata.as_str().len());
        (self.put.key.as_str().len() + metadata) as u64 + self.put.value.length()
    }

    pub(crate) fn chunk_count(&self) -> u64 {
        match &self.put.value {
            StoredValue::Inline(_) => 0,
            StoredValue::Chunked(chunks) => u64::from(chunks.count),
        }
    }

    /// Bytes in objects of their own.
    pub(crate) fn chunk_bytes(&self) -> u64 {
        match &self.put.value {
            StoredValue::Inline(_) => 0,
            StoredValue::Chunked(chunks) => chunks.size,
        }
    }

    /// Whether the entry still is one at `now`.
    pub(crate) fn lives(&self, now: UnixMillis) -> bool {
        self.put.expiration.is_none_or(|expiration| !expiration.has_passed(now))
    }
}

/// Keys and user bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
}

/// All entries, those that have ended but are not yet swept out included. A clone shares everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    map: OrdMap<Key, Arc<Slot>>,
    ending: Ending,
    expired: Counts,
    declared: OrdSet<Key>,
    bytes: u64,
    chunks: u64,
    digest: StateDigest,
}

impl Entries {
    /// The entry of a key, whether it has ended or not.
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Slot>> {
        self.map.get(key)
    }

    /// The entry of a key that has one at `now`.
    pub(crate) fn live(&self, key: &Key, now: UnixMillis) -> Option<&Arc<Slot>> {
        self.get(key).filter(|slot| slot.lives(now))
    }

    /// Makes a record count.
    pub(crate) fn apply(&mut self, version: u64, record: Record) {
        match record {
            Record::Put(put) => self.insert(Slot { version, put }),
            Record::Delete(key) => self.remove(&key),
        }
    }

    pub(crate) fn insert(&mut self, slot: Slot) {
        self.share(&Arc::new(slot));
    }

    /// Inserts an entry that another map holds too.
    pub(crate) fn share(&mut self, slot: &Arc<Slot>) {
        self.count_in(slot);
        if let Some(old) = self.map.insert(slot.put.key.clone(), Arc::clone(slot)) {
            self.count_out(&old, Some(slot));
        }
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some(old) = self.map.remove(key) {
            self.count_out(&old, None);
        }
    }

    fn count_in(&mut self, slot: &Slot) {
        self.bytes += slot.user_bytes();
        self.chunks += slot.chunk_count();
        self.digest.add(&slot.put.key, slot.version);
        self.expired.count_in(slot);
        if let Some(expiration) = slot.put.expiration {
            self.ending.insert((expiration, Some(slot.put.key.clone())));
        }
        if slot.put.declared {
            self.declared.insert(slot.put.key.clone());
        }
    }

    fn count_out(&mut self, old: &Slot, new: Option<&Slot>) {
        self.bytes -= old.user_bytes();
        self.chunks -= old.chunk_count();
        self.digest.remove(&old.put.key, old.version);
        self.expired.count_out(old);
        if let Some(expiration) = old.put.expiration
            && new.is_none_or(|new| new.put.expiration != Some(expiration))
        {
            self.ending.remove(&(expiration, Some(old.put.key.clone())));
        }
        if old.put.declared && new.is_none_or(|new| !new.put.declared) {
            self.declared.remove(&old.put.key);
        }
    }

    /// Removes the entries with a version up to `through` that ended by the second `ended`: a checkpoint has left
    /// them out.
    pub(crate) fn drop_ended(&mut self, through: u64, ended: u64) {
        let gone: Vec<Key> = self
            .ending
            .iter()
            .take_while(|(expiration, _)| expiration.0 <= ended)
            .filter_map(|(_, key)| self.get(key.as_ref()?))
            .filter(|slot| slot.version <= through)
            .map(|slot| slot.put.key.clone())
            .collect();
        for key in &gone {
            self.remove(key);
        }
    }

    /// What counts against a quota at `now`.
    pub(crate) fn usage(&self, now: UnixMillis) -> Usage {
        let ended = self.expired_by(Moment::Now, now.seconds());
        Usage { keys: self.count() - ended.keys, bytes: self.bytes - ended.bytes }
    }

    /// What has ended by a second. It costs what has ended since the last time that the same was asked.
    pub(crate) fn expired_by(&self, moment: Moment, second: u64) -> Expired {
        let slot = |key: &Key| self.get(key).map(|slot| &**slot);
        self.expired.at(moment, second, &self.ending, slot)
    }

    /// Whether some of them end some time, or have ended.
    pub(crate) fn has_ending(&self) -> bool {
        !self.ending.is_empty()
    }

    /// How many there are, those that have ended and are not yet swept out included.
    pub(crate) fn count(&self) -> u64 {
        self.map.len() as u64
    }

    /// What tells them from the entries of another state.
    pub(crate) fn digest(&self) -> StateDigest {
        self.digest
    }

    /// How many chunk objects the entries name.
    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// The keys that the KvNamespace object declares.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &Key> {
        self.declared.iter()
    }

    /// All entries in key order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.map.iter().map(|(_, slot)| slot)
    }

    /// The entries whose keys start with `prefix` and are greater than `after`, in key order.
    pub(crate) fn from<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Key>,
    ) -> impl Iterator<Item = &'a Arc<Slot>> {
        use std::ops::Bound;
        let start = match after {
            Some(after) if after.as_str() >= prefix.as_str() => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix.as_str()),
        };
        self.map
            .range::<_, str>((start, Bound::Unbounded))
            .map(|(_, slot)| slot)
            .take_while(|slot| prefix.covers(&slot.put.key))
    }

    /// The entries of the keys in `from..until`.
    pub(crate) fn between<'a>(
        &'a self,
        from: Option<&'a Key>,
        until: Option<&'a Key>,
    ) -> impl Iterator<Item = &'a Arc<Slot>> {
        use std::ops::Bound;
        let start = from.map_or(Bound::Unbounded, |key| Bound::Included(key.as_str()));
        let end = until.map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_str()));
        self.map.range::<_, str>((start, end)).map(|(_, slot)| slot)
    }
}

#[cfg(test)]
mod tests;
