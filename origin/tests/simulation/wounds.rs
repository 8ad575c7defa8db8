//! What hands have destroyed: which parts, and of which keys these spoke. A part whose loss was made good, since
//! the root does not reach it any more, is no wound. Pure.

use std::collections::{BTreeMap, BTreeSet};

use nearkv::Key;
use nearkv_origin::{
    format::{LABEL_PART, Part, Record, StoredValue, Versioned, chunk_name, decode_lines},
    store::{Object, ObjectName},
};

use crate::{ledger::Ledger, life::Entries};

/// Keys of which something was lost.
#[derive(Clone, Debug)]
pub(crate) enum Lost {
    All,
    Some(BTreeSet<Key>),
}

impl Default for Lost {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Lost {
    pub(crate) fn has(&self, key: &Key) -> bool {
        match self {
            Self::All => true,
            Self::Some(keys) => keys.contains(key),
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Self::Some(keys) if keys.is_empty())
    }

    fn add(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::Some(keys), Self::Some(more)) => keys.extend(more),
            _ => *self = Self::All,
        }
    }
}

/// Everything that hands have destroyed.
#[derive(Default)]
pub(crate) struct Wounds {
    /// Parts that are not what they were.
    pub(crate) destroyed: BTreeSet<ObjectName>,
    /// By incarnation, the keys of which a destroyed part spoke that the root reached.
    lost: BTreeMap<String, Lost>,
}

impl Wounds {
    /// What the data of an incarnation have lost at some time.
    pub(crate) fn lost(&self, incarnation: &str) -> Lost {
        self.lost.get(incarnation).cloned().unwrap_or_default()
    }
}

impl Ledger {
    /// The destroyed parts that the root reaches now.
    pub(crate) fn wounded(&self) -> BTreeSet<ObjectName> {
        if self.wounds.destroyed.is_empty() {
            return BTreeSet::new();
        }
        self.reachable().intersection(&self.wounds.destroyed).cloned().collect()
    }

    /// Notes what the data have lost by the parts that are destroyed now.
    pub(crate) fn note_losses(&mut self) {
        let wounded = self.wounded();
        let Some((incarnation, life)) = self.newest().filter(|_| !wounded.is_empty()) else { return };
        let (incarnation, entries) = (incarnation.to_owned(), life.state(life.newest()));
        let mut lost = Lost::default();
        for name in wounded {
            lost.add(self.keys_of(&name, &entries));
        }
        self.wounds.lost.entry(incarnation).or_default().add(lost);
    }

    /// The keys that a part speaks of, read from what it was.
    fn keys_of(&self, name: &ObjectName, entries: &Entries) -> Lost {
        let Some(object) = self.archive.get(name) else { return Lost::All };
        let records = |field: &str| -> Option<BTreeSet<Key>> {
            let lines = object.content.text.get(field)?;
            let records = decode_lines(lines, Some(1)).or_else(|_| decode_lines(lines, None)).ok()?;
            Some(records.into_iter().map(|Versioned { record, .. }| key_of(record)).collect())
        };
        match part(object) {
            Some(Part::Log) => records("records").map_or(Lost::All, Lost::Some),
            Some(Part::Page) => records("entries").map_or(Lost::All, Lost::Some),
            Some(Part::Value) => {
                let names_it = |stored: &StoredValue| match stored {
                    StoredValue::Inline(_) => false,
                    StoredValue::Chunked(chunks) => (0..chunks.count)
                        .any(|index| chunk_name(&self.namespace, &chunks.nonce, index) == *name),
                };
                let keys = entries.iter().filter(|(_, (_, put))| names_it(&put.value));
                Lost::Some(keys.map(|(key, _)| key.clone()).collect())
            }
            _ => Lost::All,
        }
    }
}

fn part(object: &Object) -> Option<Part> {
    let label = object.meta.labels.get(LABEL_PART)?;
    Part::ALL.into_iter().find(|part| part.as_str() == label)
}

fn key_of(record: Record) -> Key {
    match record {
        Record::Put(put) => put.key,
        Record::Delete(key) => key,
    }
}
