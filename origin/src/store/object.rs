//! The objects of a store: name, labels, owner, content, and the two marks that writes are conditional on.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use nearkv::UnixMillis;

/// `folder/name`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The folder (a KvNamespace's account).
    pub folder: Arc<str>,
    /// The name in it.
    pub name: Arc<str>,
}

impl ObjectName {
    /// Puts the two parts together.
    #[must_use]
    pub fn new(folder: &str, name: &str) -> Self {
        Self { folder: folder.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.folder, self.name)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The version token of one state of an object: opaque, compared for equality only, never used twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub Arc<str>);

/// The identity of an object: another one if it was deleted and created again under its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId(pub Arc<str>);

/// Whose part an object is: it goes when its owner goes. The owner is the KvNamespace of that name in the
/// object's folder, in the life that `id` names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The owner's name.
    pub name: String,
    /// The owner's identity.
    pub id: String,
}

/// Which objects a list or watch shows: those that carry every label, in one folder or in all that the store serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Only this folder.
    pub folder: Option<Arc<str>>,
    /// The labels an object must have, each with one of these values.
    pub labels: Vec<(String, Vec<String>)>,
}

/// A part of the store that is watched by itself: what one watch shows, it shows in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchScope {
    /// Its only folder; `None` where it is all that the store serves.
    pub folder: Option<Arc<str>>,
    /// The folder in it where a process puts its canary (`follow/canary.rs`); `None` in a store whose lists cost less than a
    /// write.
    pub canary: Option<Arc<str>>,
}

impl WatchScope {
    /// Whether objects of this folder are shown.
    #[must_use]
    pub fn covers(&self, folder: &str) -> bool {
        self.folder.as_deref().is_none_or(|own| own == folder)
    }
}

impl Selector {
    /// Whether an object with this folder and these labels is shown.
    #[must_use]
    pub fn matches(&self, name: &ObjectName, labels: &BTreeMap<String, String>) -> bool {
        self.folder.as_ref().is_none_or(|folder| *folder == name.folder)
            && self.labels.iter().all(|(key, values)| labels.get(key).is_some_and(|own| values.contains(own)))
    }
}

/// What an object holds, by name: text that people read, and bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// UTF-8.
    pub text: BTreeMap<String, String>,
    /// Anything.
    pub bytes: BTreeMap<String, Bytes>,
}

impl Content {
    /// The size that budgets count: names and content, in bytes, before the store's own encoding.
    #[must_use]
    pub fn size(&self) -> u64 {
        let text = self.text.iter().map(|(key, value)| key.len() + value.len());
        let bytes = self.bytes.iter().map(|(key, value)| key.len() + value.len());
        text.chain(bytes).map(|n| n as u64).sum()
    }
}

/// An object to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where.
    pub name: ObjectName,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// Its owner, if it shall go with one.
    pub owner: Option<Owner>,
    /// What it holds.
    pub content: Content,
    /// Whether the store shall refuse every later change of the content.
    pub immutable: bool,
}

/// An object without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Where.
    pub name: ObjectName,
    /// Which object under that name.
    pub id: ObjectId,
    /// Which state of it.
    pub token: Token,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// Its owner.
    pub owner: Option<Owner>,
    /// When it was created, by the store's clock.
    pub created: UnixMillis,
    /// Whether it is being deleted and only waits for somebody's finalizer.
    pub deleting: bool,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Everything but the content.
    pub meta: Meta,
    /// The content.
    pub content: Content,
}
