//! The ledger: what the store's own history says was committed, read from the objects as they are written,
//! with none of the engine's code but the format (`stored.rs`). Every promise is judged against it. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nearkv::{Key, Namespace, UnixMillis};
use nearkv_origin::{
    format::{LABEL_PART, Root, Versioned, root_name},
    store::{Object, ObjectName, simulated::Change},
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    deletions::{Deleted, Deletion},
    excuse::Excuses,
    life::Life,
    quota::Quotas,
    wounds::Wounds,
};

/// Who makes the change that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A process.
    Client,
    /// A person with kubectl.
    Hand,
    /// The cluster's collector of what deleted owners leave.
    OwnersGone,
}

/// Where a value was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Landing {
    pub(crate) incarnation: String,
    pub(crate) version: u64,
    pub(crate) swap: u64,
}

/// Decoded parts, by name.
type Known = BTreeMap<String, (Object, Option<u64>, Arc<Vec<Versioned>>)>;

/// Everything the store has shown.
pub(crate) struct Ledger {
    pub(crate) namespace: Namespace,
    /// What is there now.
    pub(crate) objects: BTreeMap<ObjectName, Arc<Object>>,
    /// Every part ever written, so that what a hand destroys is still known.
    pub(crate) archive: BTreeMap<ObjectName, Arc<Object>>,
    /// The lines of parts, with the object and the first version that they were decoded by.
    pub(crate) known: Mutex<Known>,
    /// By incarnation.
    pub(crate) lives: BTreeMap<String, Life>,
    /// The incarnation and root in the store now.
    pub(crate) current: Option<(String, Root)>,
    /// Who makes the change that comes.
    pub(crate) cause: Cause,
    /// Whether a hand has destroyed the root since it was last whole.
    pub(crate) root_wounded: bool,
    /// Whether hands have destroyed anything so far.
    pub(crate) hurt: bool,
    /// Whether the data always outlive their KvNamespace.
    pub(crate) retained: bool,
    /// What they have destroyed.
    pub(crate) wounds: Wounds,
    /// Where each value was committed: by the number in it.
    pub(crate) landed: BTreeMap<u64, Vec<Landing>>,
    /// Every deletion that was committed, and every one that clients asked for and were not refused.
    pub(crate) deleted: Vec<Deleted>,
    /// See `deleted`.
    pub(crate) deletions: Vec<Deletion>,
    /// The quotas of the KvNamespace.
    pub(crate) quotas: Quotas,
    /// Entries that ended long ago and were missing, by key and version.
    pub(crate) ended: BTreeSet<(Key, u64)>,
    /// What was let pass.
    pub(crate) excuses: Excuses,
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
    pub(crate) fn new(
        namespace: Namespace,
        now: Arc<dyn Fn() -> UnixMillis + Send + Sync>,
        retained: bool,
    ) -> Self {
        Self {
            namespace,
            objects: BTreeMap::new(),
            archive: BTreeMap::new(),
            known: Mutex::default(),
            lives: BTreeMap::new(),
            current: None,
            cause: Cause::Client,
            root_wounded: false,
            hurt: false,
            retained,
            wounds: Wounds::default(),
            landed: BTreeMap::new(),
            deleted: Vec::new(),
            deletions: Vec::new(),
            quotas: Quotas::default(),
            ended: BTreeSet::new(),
            excuses: Excuses::default(),
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

    /// Whether an object is one of this KvNamespace's.
    fn is_own(&self, name: &ObjectName) -> bool {
        let root = root_name(&self.namespace);
        let rest = name.name.strip_prefix(&*root.name);
        name.folder == root.folder && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Takes in what has just happened in the store.
    pub(crate) fn take_in(&mut self, change: &Change) {
        let name = change.object().meta.name.clone();
        if !self.is_own(&name) {
            return;
        }
        let is_root = name == root_name(&self.namespace);
        self.hurt |= self.cause == Cause::Hand;
        match change {
            Change::Applied(object) if is_root => self.root_applied(object),
            Change::Applied(object) => self.part_applied(name, object),
            Change::Deleted(_) if is_root => {
                self.end_life();
                self.root_wounded |= self.cause == Cause::Hand;
                if self.cause == Cause::Client {
                    self.violations.push("a client has deleted the root".to_owned());
                }
                if self.cause == Cause::OwnersGone && self.retained {
                    self.violations.push("retained data went with their KvNamespace".to_owned());
                }
                self.objects.remove(&name);
            }
            Change::Deleted(object) => self.part_deleted(name, object),
        }
    }

    fn root_applied(&mut self, object: &Arc<Object>) {
        let before = self.objects.insert(object.meta.name.clone(), Arc::clone(object));
        match self.cause {
            // Somebody has touched its labels, be it whole or not.
            Cause::Client if before.is_some_and(|before| before.content == object.content) => {}
            Cause::Client | Cause::OwnersGone => {
                if let Err(wrong) = self.swapped(object) {
                    self.violations.push(format!("the root was swapped so that {wrong}"));
                }
            }
            // A hand may touch the root, or spoil it.
            Cause::Hand if Root::decode(&object.content).is_err() => {
                self.root_wounded = true;
                self.end_life();
            }
            Cause::Hand => {}
        }
    }

    fn part_applied(&mut self, name: ObjectName, object: &Arc<Object>) {
        self.objects.insert(name.clone(), Arc::clone(object));
        if self.cause == Cause::Hand {
            self.wounds.destroyed.insert(name);
            self.note_losses();
            return;
        }
        let archived = self.archive.entry(name.clone()).or_insert_with(|| Arc::clone(object));
        // A late request may put back what was destroyed.
        if archived.content == object.content {
            self.wounds.destroyed.remove(&name);
        }
    }

    fn part_deleted(&mut self, name: ObjectName, object: &Object) {
        let reached = self.reachable().contains(&name);
        let part = object.meta.labels.get(LABEL_PART);
        match self.cause {
            Cause::Hand => {
                self.wounds.destroyed.insert(name.clone());
                self.note_losses();
            }
            Cause::Client if reached => {
                self.violations.push(format!("{name} ({part:?}) was collected and is reachable"));
            }
            // What outlives its owner has none.
            Cause::OwnersGone if reached && self.outlives(object) => {
                self.violations.push(format!("{name} ({part:?}) went with its owner, and its root stays"));
            }
            Cause::Client | Cause::OwnersGone => {}
        }
        self.objects.remove(&name);
    }

    /// Whether the root that there is stays when the owner of `object` goes.
    fn outlives(&self, object: &Object) -> bool {
        let root = self.objects.get(&root_name(&self.namespace));
        root.is_some_and(|root| root.meta.owner != object.meta.owner)
    }

    /// The store has these data no more.
    fn end_life(&mut self) {
        let ended = self.current.take().and_then(|(incarnation, _)| self.lives.get_mut(&incarnation));
        if let Some(life) = ended {
            life.ended = Some(Instant::now());
        }
    }
}
