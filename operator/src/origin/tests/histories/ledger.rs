//! What the store has seen: every record that a root made count, in its place.

use std::collections::{BTreeMap, HashMap};

use crate::{
    origin::format::{LABEL_PART, Record, Root, SegmentRef, StoredValue, Top, decode_lines},
    store::{Object, simulated::Change},
};

/// The sequence of records, and what is wrong with it.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    records: Vec<Record>,
    history: BTreeMap<String, Vec<(u64, Option<String>)>>,
    segments: HashMap<String, String>,
    manifests: HashMap<String, String>,
    swap: u64,
    pub(super) faults: Vec<String>,
}

impl Ledger {
    pub(super) fn note(&mut self, change: &Change) {
        let Change::Applied(object) = change else { return };
        match object.meta.labels.get(LABEL_PART).map(String::as_str) {
            Some("log") => {
                let lines = object.content.text["records"].clone();
                self.segments.insert(object.meta.name.name.to_string(), lines);
            }
            Some("manifest") => {
                let lines = object.content.text["references"].clone();
                self.manifests.insert(object.meta.name.name.to_string(), lines);
            }
            Some("root") => self.note_root(object),
            _ => {}
        }
    }

    fn note_root(&mut self, object: &Object) {
        let root = Root::decode(&object.content).unwrap();
        if root.swap < self.swap || (root.swap > self.swap + 1) {
            self.faults.push(format!("swap {} follows swap {}", root.swap, self.swap));
        }
        self.swap = root.swap;
        let mut versioned: Vec<_> = root.versioned().collect();
        // A full root has its newest segments moved into the manifest in the commit that makes them.
        let behind = root.segments.first().map_or(root.first_inline(), |segment| segment.first) - 1;
        let listed = if behind > self.version() { self.listed(&root) } else { Vec::new() };
        let listed = listed.iter().filter(|segment| segment.last() > self.version());
        for segment in listed.chain(&root.segments) {
            let lines = &self.segments[&segment.segment];
            versioned.extend(decode_lines(lines, Some(segment.first)).unwrap());
        }
        versioned.sort_by_key(|versioned| versioned.version);
        for versioned in versioned {
            let (version, known) = (versioned.version, self.version());
            if version <= known {
                if self.records[version as usize - 1] != versioned.record {
                    self.faults.push(format!("version {version} was rewritten"));
                }
            } else if version == known + 1 {
                self.append(versioned.record);
            } else {
                self.faults.push(format!("version {version} follows version {known}"));
            }
        }
        if root.version != self.version() {
            self.faults.push(format!("a root at {} with records to {}", root.version, self.version()));
        }
    }

    fn listed(&self, root: &Root) -> Vec<SegmentRef> {
        let Some(reference) = &root.manifest else { return Vec::new() };
        let top = Top::decode(&self.manifests[&reference.manifest]).unwrap();
        let children: Vec<String> =
            top.children().map(|child| self.manifests[&child.manifest].clone()).collect();
        top.with(&children).unwrap().segments.iter().cloned().collect()
    }

    fn append(&mut self, record: Record) {
        let version = self.version() + 1;
        let value = match &record {
            Record::Put(put) => match &put.value {
                StoredValue::Inline(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
                StoredValue::Chunked(chunks) => Some(format!("{} bytes", chunks.size)),
            },
            Record::Delete(_) => None,
        };
        self.history.entry(record.key().to_string()).or_default().push((version, value));
        self.records.push(record);
    }

    pub(super) fn version(&self) -> u64 {
        self.records.len() as u64
    }

    /// The value of a key in the state at `version`.
    pub(super) fn at(&self, key: &str, version: u64) -> Option<String> {
        let writes = self.history.get(key)?;
        writes.iter().rev().find(|(at, _)| *at <= version)?.1.clone()
    }

    /// The versions at which this value was written.
    pub(super) fn versions_of(&self, key: &str, value: &str) -> Vec<u64> {
        let writes = self.history.get(key).into_iter().flatten();
        writes.filter(|(_, written)| written.as_deref() == Some(value)).map(|(version, _)| *version).collect()
    }

    /// Whether the record of `version` deletes the key.
    pub(super) fn deletes(&self, key: &str, version: u64) -> bool {
        self.history.get(key).is_some_and(|writes| writes.contains(&(version, None)))
    }

    /// The keys of the newest state.
    pub(super) fn keys(&self) -> Vec<String> {
        let lives = |(_, writes): &(&String, &Vec<(u64, Option<String>)>)| {
            writes.last().is_some_and(|(_, value)| value.is_some())
        };
        self.history.iter().filter(lives).map(|(key, _)| key.clone()).collect()
    }
}
