//! What memory holds of a KvNamespace at one state of its root. Never changed: a newer one takes its place, and
//! readers go on with the one they have.

use std::sync::Arc;

use nearkv::{Key, Namespace, Prefix, Version};

use super::{
    DeletionPolicy,
    entries::Entries,
    format::{Manifest, Root},
};
use crate::store::{Meta, Owner, Token};

/// The data of a KvNamespace at one state of its root.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) root: Arc<Root>,
    /// The root object's token: what the next swap is conditional on.
    pub(super) token: Token,
    /// Whom the root object goes with.
    pub(super) owner: Option<Owner>,
    pub(super) entries: Entries,
    /// What the root's manifest says; the empty one if it names none.
    pub(super) manifest: Arc<Manifest>,
    /// What could not be read.
    pub(super) damage: Arc<[Damage]>,
}

/// A part that is lost: what it said of the keys of its range up to its last version is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// The object, and what is wrong with it.
    pub(super) detail: String,
    /// First key of the range; `None` without lower end.
    pub(super) from: Option<Key>,
    /// First key beyond the range; `None` without upper end.
    pub(super) until: Option<Key>,
    /// Later records are whole.
    pub(super) through: u64,
}

impl Damage {
    /// Whether a list with this prefix would have to show keys of the range.
    pub(super) fn meets(&self, prefix: &Prefix) -> bool {
        self.until.as_ref().is_none_or(|until| until.as_str() > prefix.as_str())
            && self.from.as_ref().is_none_or(|from| from.as_str() < prefix.as_str() || prefix.covers(from))
    }

    fn covers(&self, key: &Key) -> bool {
        self.from.as_ref().is_none_or(|from| from <= key)
            && self.until.as_ref().is_none_or(|until| key < until)
    }
}

impl Snapshot {
    /// The state it shows.
    pub(super) fn version(&self) -> Version {
        self.root.state()
    }

    /// Takes over the root object's identity.
    pub(super) fn with_meta(self, meta: &Meta) -> Self {
        Self { token: meta.token.clone(), owner: meta.owner.clone(), ..self }
    }

    /// Whether `root` is a later state of the same data.
    pub(super) fn is_before(&self, root: &Root) -> bool {
        self.root.incarnation == root.incarnation && self.root.swap < root.swap
    }

    /// The loss that keeps a key's entry from being known.
    pub(super) fn damage_of(&self, key: &Key) -> Option<&Damage> {
        if self.damage.is_empty() {
            return None;
        }
        let version = self.entries.get(key).map_or(0, |slot| slot.version);
        self.damage.iter().find(|damage| damage.covers(key) && version <= damage.through)
    }

    /// The policy that the root follows.
    pub(super) fn policy(&self) -> DeletionPolicy {
        if self.owner.is_some() { DeletionPolicy::Delete } else { DeletionPolicy::Retain }
    }

    /// How many objects the root reaches, itself included.
    pub(super) fn objects(&self) -> u64 {
        let manifest = usize::from(self.root.manifest.is_some()) + self.manifest.children().count();
        let listed = self.manifest.pages.len() + self.manifest.segments.len() + self.root.segments.len();
        1 + (manifest + listed) as u64 + self.entries.chunks()
    }
}

/// The owner that objects get: the KvNamespace in the life of this `uid`, or nobody.
pub(super) fn owner(namespace: &Namespace, uid: &str, policy: DeletionPolicy) -> Option<Owner> {
    match policy {
        DeletionPolicy::Delete => Some(Owner { name: namespace.name().to_owned(), id: uid.to_owned() }),
        DeletionPolicy::Retain => None,
    }
}
