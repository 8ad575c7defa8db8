//! The entries of a KvNamespace in memory: an immutable ordered map that is cheap to copy and to change, with
//! what is counted of it. Pure.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use nearkv::{Key, Prefix, UnixMillis};

use crate::{
    format::{Put, Record, StoredValue},
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

    /// How many there are, those that have ended and are not yet swept out included.
    pub(crate) fn count(&self) -> u64 {
        self.map.len() as u64
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
mod tests {
    use nearkv::{Expiration, Random};

    use super::*;
    use crate::format::Chunks;

    fn put(key: &str, expiration: Option<u64>, declared: bool) -> Record {
        Record::Put(Put {
            key: Key::new(key).unwrap(),
            value: StoredValue::Inline("12345".into()),
            metadata: None,
            expiration: expiration.map(Expiration),
            declared,
        })
    }

    fn key(name: &str) -> Key {
        Key::new(name).unwrap()
    }

    #[test]
    fn what_has_ended_counts_neither_as_an_entry_nor_against_a_quota() {
        let mut entries = Entries::default();
        entries.apply(1, put("a", Some(10), false));
        entries.apply(2, put("b", None, true));
        let (before, after) = (UnixMillis(9_999), UnixMillis(10_000));
        assert_eq!(entries.usage(before), Usage { keys: 2, bytes: 12 });
        assert_eq!(entries.usage(after), Usage { keys: 1, bytes: 6 });
        assert!(entries.live(&key("a"), before).is_some() && entries.live(&key("a"), after).is_none());
        entries.drop_ended(1, 9);
        assert!(entries.get(&key("a")).is_some(), "it had not ended");
        entries.drop_ended(0, 10);
        assert!(entries.get(&key("a")).is_some(), "it is newer than the checkpoint");
        entries.drop_ended(1, 10);
        assert!(entries.get(&key("a")).is_none());
    }

    /// What a walk over all entries finds.
    fn walked(entries: &Entries, second: u64) -> Expired {
        let mut expired = Expired::default();
        let has_ended =
            |slot: &&Arc<Slot>| slot.put.expiration.is_some_and(|expiration| expiration.0 <= second);
        entries.iter().filter(has_ended).for_each(|slot| expired.add(slot));
        expired
    }

    #[test]
    fn what_has_expired_is_counted_rightly_whatever_is_written_and_wherever_the_clock_goes() {
        let random = Random::seeded(1);
        let (mut entries, mut second) = (Entries::default(), 1000_u64);
        for version in 1..3000 {
            let name = format!("k{}", random.below(40));
            match random.below(10) {
                0 => entries.apply(version, Record::Delete(key(&name))),
                1 => entries.apply(version, put(&name, None, false)),
                2 => entries.drop_ended(random.below(version), second.saturating_sub(60)),
                _ => entries.apply(version, put(&name, Some(second + random.below(100)), false)),
            }
            second = match random.below(20) {
                0 => second.saturating_sub(random.below(300)),
                1 => second + random.below(300),
                _ => second + random.below(3),
            };
            // A snapshot is asked by itself, and the next state is made of it.
            let snapshot = entries.clone();
            assert_eq!(snapshot.expired_by(Moment::Now, second), walked(&snapshot, second));
            let long_ago = second.saturating_sub(60);
            if random.below(3) == 0 {
                assert_eq!(entries.expired_by(Moment::Droppable, long_ago), walked(&entries, long_ago));
            }
            let usage = entries.usage(UnixMillis(second * 1000));
            assert_eq!(usage.keys, entries.count() - walked(&entries, second).keys);
        }
    }

    /// As many as 500 puts a second with a time to live of a minute leave behind, asked for at every commit: walked each
    /// time, this would take minutes.
    #[test]
    fn counting_what_lives_does_not_walk_what_has_expired() {
        let mut entries = Entries::default();
        for second in 0..60 {
            for n in 0..500 {
                entries.apply(second + 1, put(&format!("{second}/{n}"), Some(second), false));
            }
        }
        for moment in 0..60_000 {
            entries.apply(100 + moment, put("again", Some(moment / 1000 + 1), false));
            assert!(entries.usage(UnixMillis(moment)).keys > 0 || moment >= 59_000);
            entries = entries.clone();
        }
        assert_eq!(entries.usage(UnixMillis(60_000)).keys, 0);
    }

    #[test]
    fn counts_follow_every_replacement() {
        let mut entries = Entries::default();
        let chunks = Chunks { nonce: "n".into(), count: 3, size: 7, sha256: crate::format::Sha::of(b"") };
        for (version, record) in [
            put("a", Some(10), true),
            put("a", Some(10), true),
            put("a", Some(20), false),
            put("a", None, true),
            Record::Put(Put {
                key: key("a"),
                value: StoredValue::Chunked(chunks),
                metadata: None,
                expiration: None,
                declared: true,
            }),
        ]
        .into_iter()
        .enumerate()
        {
            entries.apply(version as u64, record);
            assert_eq!(entries.declared().count(), usize::from(version != 2));
            assert_eq!(entries.ending.len(), usize::from(version < 3));
        }
        assert_eq!((entries.chunks(), entries.usage(UnixMillis(0)).bytes), (3, 8));
        entries.apply(9, Record::Delete(key("a")));
        assert_eq!((entries.chunks(), entries.bytes, entries.declared().count()), (0, 0, 0));
    }

    #[test]
    fn a_range_starts_behind_its_cursor_and_ends_with_its_prefix() {
        let mut entries = Entries::default();
        for (version, name) in ["a", "b/1", "b/2", "b/3", "c"].into_iter().enumerate() {
            entries.apply(version as u64, put(name, None, false));
        }
        let names = |prefix: &str, after: Option<&str>| {
            let (prefix, after) = (Prefix::new(prefix).unwrap(), after.map(key));
            let names: Vec<_> =
                entries.from(&prefix, after.as_ref()).map(|slot| slot.put.key.to_string()).collect();
            names.join(" ")
        };
        assert_eq!(names("b/", None), "b/1 b/2 b/3");
        assert_eq!(names("b/", Some("b/2")), "b/3");
        assert_eq!(names("b/", Some("a")), "b/1 b/2 b/3");
        assert_eq!(names("", Some("b/3")), "c");
        assert_eq!(entries.between(Some(&key("b")), Some(&key("b/3"))).count(), 2);
    }
}
