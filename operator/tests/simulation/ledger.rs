//! The ledger: what the store's own history says was committed, read from the objects as they are written,
//! with none of the engine's code but the format. Every promise is judged against it. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nearkv::{Key, Namespace, UnixMillis};
use nearkv_operator::{
    origin::format::{
        LABEL_PART, Manifest, Part, Put, Record, Root, StoredValue, Top, Versioned, checked_lines,
        chunk_bytes, chunk_name, decode_lines, root_name,
    },
    store::{Object, ObjectName, simulated::Change},
};

/// Entries that ended this long ago may be missing from what is stored, by the format's rule.
const EXPIRED_KEPT_SECS: u64 = 600;

/// Entries at a state, with the version each was written at.
pub(crate) type Entries = BTreeMap<Key, (u64, Put)>;

/// One incarnation of the data.
pub(crate) struct Life {
    /// The KvNamespace it belongs to; `None` while no object has an owner.
    pub(crate) owner: Option<String>,
    base: Entries,
    first: u64,
    records: Vec<Record>,
    swap: u64,
}

impl Life {
    /// The newest version.
    pub(crate) fn newest(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
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

fn apply(entries: &mut Entries, version: u64, record: &Record) {
    match record {
        Record::Put(put) => entries.insert(put.key.clone(), (version, put.clone())),
        Record::Delete(key) => entries.remove(key),
    };
}

/// Everything the store has shown.
pub(crate) struct Ledger {
    namespace: Namespace,
    /// What is there now.
    pub(crate) objects: BTreeMap<ObjectName, Arc<Object>>,
    /// Every part ever written, so that what a hand destroys is still known.
    archive: BTreeMap<ObjectName, Arc<Object>>,
    /// By incarnation.
    pub(crate) lives: BTreeMap<String, Life>,
    /// The incarnation and root in the store now.
    pub(crate) current: Option<(String, Root)>,
    /// Whether the change that comes is made by hand.
    pub(crate) by_hand: bool,
    /// Whether a hand has destroyed the root since it was last whole.
    pub(crate) root_wounded: bool,
    /// Parts that a hand has destroyed.
    pub(crate) wounded: BTreeSet<ObjectName>,
    /// Where each value was committed: by the number in it.
    pub(crate) landed: BTreeMap<u64, Vec<(String, u64)>>,
    /// What was found to be wrong.
    pub(crate) violations: Vec<String>,
    /// The store's time at the change that comes.
    pub(crate) now: Arc<dyn Fn() -> UnixMillis + Send + Sync>,
    /// Swaps of the root, and among them those that changed the manifest: what a history has exercised.
    pub(crate) swaps: u64,
    /// See `swaps`.
    pub(crate) checkpoints: BTreeSet<String>,
}

impl Ledger {
    pub(crate) fn new(namespace: Namespace, now: Arc<dyn Fn() -> UnixMillis + Send + Sync>) -> Self {
        Self {
            namespace,
            objects: BTreeMap::new(),
            archive: BTreeMap::new(),
            lives: BTreeMap::new(),
            current: None,
            by_hand: false,
            root_wounded: false,
            wounded: BTreeSet::new(),
            landed: BTreeMap::new(),
            violations: Vec::new(),
            now,
            swaps: 0,
            checkpoints: BTreeSet::new(),
        }
    }

    /// The newest state there is.
    pub(crate) fn newest(&self) -> Option<(&str, &Life)> {
        let (incarnation, _) = self.current.as_ref()?;
        Some((incarnation, self.lives.get(incarnation)?))
    }

    /// Takes in what has just happened in the store.
    pub(crate) fn take_in(&mut self, change: &Change) {
        let name = change.object().meta.name.clone();
        let is_root = name == root_name(&self.namespace);
        match change {
            Change::Applied(object) => {
                self.objects.insert(name.clone(), Arc::clone(object));
                match (is_root, self.by_hand) {
                    (true, false) => {
                        if let Err(wrong) = self.swapped(object) {
                            self.violations.push(format!("the root was swapped so that {wrong}"));
                        }
                    }
                    (true, true) => self.root_edited(object),
                    (false, true) => {
                        self.wounded.insert(name);
                    }
                    (false, false) => {
                        self.archive.insert(name, Arc::clone(object));
                    }
                }
            }
            Change::Deleted(object) => {
                self.objects.remove(&name);
                if is_root {
                    self.current = None;
                    self.root_wounded |= self.by_hand;
                    if !self.by_hand {
                        self.violations.push("a client has deleted the root".to_owned());
                    }
                } else if self.by_hand {
                    self.wounded.insert(name);
                } else if self.reachable().contains(&name) {
                    let part = object.meta.labels.get(LABEL_PART);
                    self.violations.push(format!("{name} ({part:?}) was collected and is reachable"));
                }
            }
        }
    }

    /// A hand may touch the root, or spoil it.
    fn root_edited(&mut self, object: &Object) {
        if Root::decode(&object.content).is_err() {
            self.root_wounded = true;
            self.current = None;
        }
    }

    fn swapped(&mut self, object: &Object) -> Result<(), String> {
        let root = Root::decode(&object.content).map_err(|error| format!("it cannot be read: {error}"))?;
        let owner = object.meta.owner.as_ref().map(|owner| owner.id.clone());
        let incarnation = root.incarnation.to_string();
        if self.current.as_ref().is_some_and(|(_, present)| *present == root) {
            // Somebody has touched its labels.
            return Ok(());
        }
        let (state, log) = self.load(&root)?;
        self.swaps += 1;
        self.checkpoints.extend(root.manifest.iter().map(|manifest| manifest.manifest.clone()));
        let before = self.current.replace((incarnation.clone(), root.clone()));
        let Some(life) = self.lives.get_mut(&incarnation) else {
            return self.begun(&root, incarnation, owner, state, before);
        };
        if before.is_none_or(|(before, _)| before != incarnation) {
            return Err(format!("the life {incarnation} is back"));
        }
        life.owner = owner;
        if root.swap <= life.swap {
            return Err(format!("swap {} follows swap {}", root.swap, life.swap));
        }
        life.swap = root.swap;
        let newest = life.newest();
        if root.version < newest {
            return Err(format!("version {} follows version {newest}", root.version));
        }
        for version in newest + 1..=root.version {
            let record = log.get(&version).ok_or_else(|| format!("record {version} is nowhere"))?;
            life.records.push(record.clone());
        }
        for version in newest + 1..=root.version {
            let record =
                &self.lives[&incarnation].records[(version - self.lives[&incarnation].first) as usize];
            if let Record::Put(put) = record {
                let number = number_of(&self.value(&put.value)?)?;
                self.landed.entry(number).or_default().push((incarnation.clone(), version));
            }
        }
        let wanted = self.lives[&incarnation].state(root.version);
        self.same(&wanted, &state, "what is stored")
    }

    fn begun(
        &mut self,
        root: &Root,
        incarnation: String,
        owner: Option<String>,
        state: Entries,
        before: Option<(String, Root)>,
    ) -> Result<(), String> {
        let wounded = std::mem::take(&mut self.root_wounded);
        if let Some((before, _)) = before {
            return Err(format!("a new life begins over the life {before}"));
        }
        // Born empty, once in the life of a KvNamespace, or written anew from what some replica remembered.
        let had_data = self.lives.values().any(|life| life.owner == owner && life.newest() > 0);
        let born = root.version == 0 && state.is_empty() && !had_data;
        if !born {
            let remembered = self.lives.values().filter(|life| life.owner == owner);
            let as_remembered = remembered.filter(|life| life.newest() >= root.version).map(|life| {
                let mut wanted = life.state(root.version);
                // What hands have destroyed may be lost, and must not come back as something else.
                if !self.wounded.is_empty() {
                    wanted.retain(|key, _| state.contains_key(key));
                }
                self.same(&wanted, &state, "what is remembered")
            });
            let found: Vec<_> = as_remembered.collect();
            let as_remembered = found.iter().any(Result::is_ok);
            if !wounded || !as_remembered {
                return Err(format!(
                    "a life begins at version {} with what never was: {found:?}",
                    root.version
                ));
            }
        }
        let life = Life { owner, base: state, first: root.version + 1, records: Vec::new(), swap: root.swap };
        self.lives.insert(incarnation, life);
        Ok(())
    }

    /// The two are the same but for entries that ended long ago.
    pub(crate) fn same(&self, wanted: &Entries, found: &Entries, what: &str) -> Result<(), String> {
        let now = (self.now)().seconds();
        let ended = |put: &Put| put.expiration.is_some_and(|end| end.0 + EXPIRED_KEPT_SECS <= now + 10);
        let keys: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
        for key in keys {
            match (wanted.get(key), found.get(key)) {
                (Some((version, put)), Some((other, found))) if version == other && put == found => {}
                (Some((_, put)), None) if ended(put) => {}
                (wanted, found) => {
                    let short = |entry: Option<&(u64, Put)>| {
                        entry.map(|(version, put)| (*version, put.value.length(), put.expiration))
                    };
                    return Err(format!(
                        "{what} has {key:?} as {:?} and not {:?}",
                        short(found),
                        short(wanted)
                    ));
                }
            }
        }
        Ok(())
    }

    fn part(&self, name: &str) -> Result<&Object, String> {
        let name = ObjectName::new(self.namespace.account(), name);
        let there =
            if self.wounded.contains(&name) { self.archive.get(&name) } else { self.objects.get(&name) };
        there.map(|object| &**object).ok_or_else(|| format!("it reaches {name}, which is not there"))
    }

    fn lines(
        &self,
        part: Part,
        name: &str,
        sha256: nearkv_operator::origin::format::Sha,
    ) -> Result<&str, String> {
        checked_lines(part, &self.part(name)?.content, sha256).map_err(|error| format!("{name}: {error}"))
    }

    fn manifest(&self, root: &Root) -> Result<Manifest, String> {
        let Some(reference) = &root.manifest else { return Ok(Manifest::default()) };
        let lines = self.lines(Part::Manifest, &reference.manifest, reference.sha256)?;
        let top = Top::decode(lines).map_err(|error| format!("{}: {error}", reference.manifest))?;
        let children: Result<Vec<_>, String> = top
            .children()
            .map(|child| self.lines(Part::Manifest, &child.manifest, child.sha256).map(str::to_owned))
            .collect();
        top.with(&children?).map_err(|error| format!("{}: {error}", reference.manifest))
    }

    /// All that a root says: the entries, and the records that are still in its log.
    fn load(&self, root: &Root) -> Result<(Entries, BTreeMap<u64, Record>), String> {
        let manifest = self.manifest(root)?;
        let mut entries = Entries::new();
        for page in manifest.pages.iter() {
            let lines = self.lines(Part::Page, &page.page, page.sha256)?;
            for Versioned { version, record } in decode(&page.page, lines, None)? {
                apply(&mut entries, version, &record);
            }
        }
        let mut log = BTreeMap::new();
        for segment in manifest.segments.iter().chain(&root.segments) {
            let lines = self.lines(Part::Log, &segment.segment, segment.sha256)?;
            for Versioned { version, record } in decode(&segment.segment, lines, Some(segment.first))? {
                log.insert(version, record);
            }
        }
        log.extend(root.versioned().map(|Versioned { version, record }| (version, record)));
        for (version, record) in log.range(manifest.checkpoint + 1..) {
            apply(&mut entries, *version, record);
        }
        Ok((entries, log))
    }

    /// The bytes of a stored value.
    pub(crate) fn value(&self, value: &StoredValue) -> Result<Vec<u8>, String> {
        match value {
            StoredValue::Inline(bytes) => Ok(bytes.to_vec()),
            StoredValue::Chunked(chunks) => {
                let mut whole = Vec::new();
                for index in 0..chunks.count {
                    let name = chunk_name(&self.namespace, &chunks.nonce, index).name.to_string();
                    let bytes = chunk_bytes(&self.part(&name)?.content).map_err(|error| error.to_string())?;
                    whole.extend_from_slice(bytes);
                }
                Ok(whole)
            }
        }
    }

    /// The names of all parts that the root reaches.
    pub(crate) fn reachable(&self) -> BTreeSet<ObjectName> {
        let mut reached = BTreeSet::new();
        let Some((_, root)) = &self.current else { return reached };
        let mut named = |name: &str| {
            reached.insert(ObjectName::new(self.namespace.account(), name));
        };
        named(&root_name(&self.namespace).name);
        let manifest = self.manifest(root).unwrap_or_default();
        root.manifest.iter().for_each(|top| named(&top.manifest));
        manifest.children().for_each(|child| named(&child.manifest));
        manifest.pages.iter().for_each(|page| named(&page.page));
        manifest.segments.iter().chain(&root.segments).for_each(|segment| named(&segment.segment));
        for (_, put) in self.load(root).map(|(entries, _)| entries).unwrap_or_default().values() {
            if let StoredValue::Chunked(chunks) = &put.value {
                for index in 0..chunks.count {
                    named(&chunk_name(&self.namespace, &chunks.nonce, index).name);
                }
            }
        }
        reached
    }
}

fn decode(name: &str, lines: &str, first: Option<u64>) -> Result<Vec<Versioned>, String> {
    decode_lines(lines, first).map_err(|error| format!("{name}: {error}"))
}

/// A value that no other write of the history has: a number, and a filling that follows from it.
pub(crate) fn value_of(number: u64, length: usize) -> Vec<u8> {
    let mut value = format!("{number}:").into_bytes();
    let filling = (0..).map(|index: u64| b'a' + ((index * 7 + number) % 26) as u8);
    value.extend(filling.take(length));
    value
}

/// The number in a value, if it is whole.
pub(crate) fn number_of(value: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(value);
    let (number, filling) = text.split_once(':').ok_or("a value has no number")?;
    let number = number.parse().map_err(|_| "a value has no number")?;
    if value_of(number, filling.len()) == value {
        Ok(number)
    } else {
        Err(format!("value {number} is mixed up"))
    }
}
