//! One incarnation of the data as it was committed, and what it held at each version. Pure.

use std::collections::BTreeMap;

use nearkv::Key;
use nearkv_origin::format::{Put, Record};
use tokio::time::Instant;

/// Entries at a state, with the version each was written at.
pub(crate) type Entries = BTreeMap<Key, (u64, Put)>;

/// One incarnation of the data.
pub(crate) struct Life {
    /// The KvNamespace it belongs to; `None` while no object has an owner.
    pub(crate) owner: Option<String>,
    /// What was there when it began.
    pub(crate) base: Entries,
    /// The version of its first record.
    pub(crate) first: u64,
    /// What has been committed since.
    pub(crate) records: Vec<Record>,
    /// When each of them was.
    pub(crate) committed: Vec<Instant>,
    /// When the store had these data last, if it has them no more.
    pub(crate) ended: Option<Instant>,
    /// The last swap.
    pub(crate) swap: u64,
}

impl Life {
    /// The newest version.
    pub(crate) fn newest(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }

    /// When the state with this version was no longer the newest.
    pub(crate) fn superseded(&self, version: u64) -> Option<Instant> {
        let next = usize::try_from((version + 1).checked_sub(self.first)?).ok()?;
        self.committed.get(next).copied().or(self.ended)
    }

    /// The record with this version.
    pub(crate) fn record(&self, version: u64) -> Option<&Record> {
        self.records.get(usize::try_from(version.checked_sub(self.first)?).ok()?)
    }

    /// What the key held at a state.
    pub(crate) fn at(&self, version: u64, key: &Key) -> Option<(u64, Put)> {
        let last = version.min(self.newest());
        for number in (self.first..=last).rev() {
            match self.record(number) {
                Some(Record::Put(put)) if put.key == *key => return Some((number, put.clone())),
                Some(Record::Delete(deleted)) if deleted == key => return None,
                _ => {}
            }
        }
        self.base.get(key).cloned()
    }

    /// All that was there at a state, ended entries included.
    pub(crate) fn state(&self, version: u64) -> Entries {
        let mut entries = self.base.clone();
        let count = usize::try_from(version + 1 - self.first).unwrap_or_default();
        for (number, record) in (self.first..).zip(&self.records).take(count) {
            apply(&mut entries, number, record);
        }
        entries
    }
}

/// What a record does to the entries.
pub(crate) fn apply(entries: &mut Entries, version: u64, record: &Record) {
    match record {
        Record::Put(put) => entries.insert(put.key.clone(), (version, put.clone())),
        Record::Delete(key) => entries.remove(key),
    };
}
