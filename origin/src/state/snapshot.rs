//! What memory holds of a KvNamespace at one state of its root. Never changed: a newer one takes its place, and
//! readers go on with the one they have.

use std::sync::Arc;

use nearkv::{Key, Namespace, Prefix, Version};

use crate::{
    DeletionPolicy,
    format::{Manifest, Root},
    state::entries::Entries,
    store::{Meta, Owner, Token},
};

/// The data of a KvNamespace at one state of its root.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) root: Arc<Root>,
    /// The root object's token: what the next swap is conditional on.
    pub(crate) token: Token,
    /// Whom the root object goes with.
    pub(crate) owner: Option<Owner>,
    pub(crate) entries: Entries,
    /// What the root's manifest says; the empty one if it names none.
    pub(crate) manifest: Arc<Manifest>,
    /// What could not be read.
    pub(crate) damage: Arc<[Damage]>,
}

/// A part that is lost: what it said of the keys of its range up to its last version is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The object, and what is wrong with it.
    pub(crate) detail: String,
    /// First key of the range; `None` without lower end.
    pub(crate) from: Option<Key>,
    /// First key beyond the range; `None` without upper end.
    pub(crate) until: Option<Key>,
    /// Later records are whole.
    pub(crate) through: u64,
}

impl Damage {
    /// Whether a list with this prefix would have to show keys of the range.
    pub(crate) fn meets(&self, prefix: &Prefix) -> bool {
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
    pub(crate) fn version(&self) -> Version {
        self.root.state()
    }

    /// Takes over the root object's identity.
    pub(crate) fn with_meta(self, meta: &Meta) -> Self {
        Self { token: meta.token.clone(), owner: meta.owner.clone(), ..self }
    }

    /// Whether `root` is a later state of the same data.
    pub(crate) fn is_before(&self, root: &Root) -> bool {
        self.root.incarnation == root.incarnation && self.root.swap < root.swap
    }

    /// The loss that keeps a key's entry from being known.
    pub(crate) fn damage_of(&self, key: &Key) -> Option<&Damage> {
        if self.damage.is_empty() {
            return None;
        }
        let version = self.entries.get(key).map_or(0, |slot| slot.version);
        self.damage.iter().find(|damage| damage.covers(key) && version <= damage.through)
    }

    /// The policy that the root follows.
    pub(crate) fn policy(&self) -> DeletionPolicy {
        if self.owner.is_some() { DeletionPolicy::Delete } else { DeletionPolicy::Retain }
    }

    /// How many objects the root reaches, itself included.
    pub(crate) fn objects(&self) -> u64 {
        let manifest = usize::from(self.root.manifest.is_some()) + self.manifest.children().count();
        let listed = self.manifest.pages.len() + self.manifest.segments.len() + self.root.segments.len();
        1 + (manifest + listed) as u64 + self.entries.chunks()
    }
}

/// The owner that objects get: the KvNamespace in the life of this `uid`, or nobody.
pub(crate) fn owner(namespace: &Namespace, uid: &str, policy: DeletionPolicy) -> Option<Owner> {
    match policy {
        DeletionPolicy::Delete => Some(Owner { name: namespace.name().to_owned(), id: uid.to_owned() }),
        DeletionPolicy::Retain => None,
    }
}
