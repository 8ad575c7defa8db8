//! What memory holds of a KvNamespace at one state of its root. Never changed: a newer one takes its place, and
//! readers go on with the one they have.

use std::sync::Arc;

use nearkv::{Key, Namespace, Version};

use crate::{
    DeletionPolicy,
    format::{Manifest, ManifestRef, Root},
    state::{
        damage::{Damage, Lost},
        entries::Entries,
    },
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
        self.damage.iter().find(|damage| damage.obscures(key, version))
    }

    /// What keeps entries from being known.
    pub(crate) fn open_damage(&self) -> impl Iterator<Item = &Damage> {
        self.damage.iter().filter(|damage| damage.is_open())
    }

    /// What stays lost at a root that this process has made of this one.
    pub(crate) fn damage_at(&self, root: &Root, manifest: &Manifest) -> Arc<[Damage]> {
        if self.damage.is_empty() {
            return Arc::clone(&self.damage);
        }
        let stays = |damage: &&Damage| damage.is_open() || damage.is_reached(root, manifest);
        self.damage.iter().filter(stays).cloned().collect()
    }

    /// The loss of the manifest that the root names. The pages and segments that it leads to are unknown
    /// then, so nothing may take its place but a manifest that leads to all entries.
    pub(crate) fn lost_manifest(&self) -> Option<&Damage> {
        self.damage.iter().find(|damage| matches!(damage.lost, Lost::Manifest(_)))
    }

    /// Whether memory knows what the manifest of this name says.
    pub(crate) fn knows_manifest(&self, reference: &ManifestRef) -> bool {
        self.root.manifest.as_ref() == Some(reference) && self.lost_manifest().is_none()
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
