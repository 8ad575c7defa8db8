//! The ledger: what the store's own history says was committed, read from the objects as they are written,
//! with none of the engine's code but the format (`stored.rs`). Every promise is judged against it. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nearkv::{Namespace, UnixMillis};
use nearkv_origin::{
    format::{LABEL_PART, Put, Record, Root, root_name},
    store::{Object, ObjectName, simulated::Change},
};

use crate::{
    life::{Entries, Life},
    value::number_of,
};

/// Entries that ended this long ago may be missing from what is stored, by the format's rule.
const EXPIRED_KEPT_SECS: u64 = 60;

/// Everything the store has shown.
pub(crate) struct Ledger {
    pub(crate) namespace: Namespace,
    /// What is there now.
    pub(crate) objects: BTreeMap<ObjectName, Arc<Object>>,
    /// Every part ever written, so that what a hand destroys is still known.
    pub(crate) archive: BTreeMap<ObjectName, Arc<Object>>,
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
    pub(crate) manifests: BTreeSet<String>,
    /// Those of them that name pages of a checkpoint of which not all are there.
    pub(crate) stages: BTreeSet<String>,
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
            manifests: BTreeSet::new(),
            stages: BTreeSet::new(),
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
                let before = self.objects.insert(name.clone(), Arc::clone(object));
                match (is_root, self.by_hand) {
                    // Somebody has touched its labels, be it whole or not.
                    (true, false) if before.is_some_and(|before| before.content == object.content) => {}
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
        let manifest = self.manifest(&root)?;
        let (state, log) = self.load(&root, &manifest)?;
        self.swaps += 1;
        if manifest.pages.iter().any(|page| page.version > manifest.checkpoint) {
            self.stages.extend(root.manifest.iter().map(|named| named.manifest.clone()));
        }
        self.manifests.extend(root.manifest.iter().map(|named| named.manifest.clone()));
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
}
