//! What the controller tells the origin about a KvNamespace, and what the origin tells the controller. Plain
//! data: the two halves of the operator meet here and nowhere else.

use std::time::Duration;

use bytes::Bytes;
use nearkv::{Expiration, Key, Metadata, Namespace, Version, limits};

/// A KvNamespace as the origin needs it: its identity and `spec` without the declared entries. Every replica
/// keeps this current from the KvNamespace objects; it needs no leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceConfig {
    /// `account/name`.
    pub namespace: Namespace,
    /// The KvNamespace object's UID: a root of another owner is never touched.
    pub uid: String,
    /// `spec.cache`.
    pub cache: CacheConfig,
    /// `spec.expiration.minTtlSeconds`.
    pub min_ttl: Duration,
    /// `spec.quota`.
    pub quota: Quota,
    /// `spec.deletionPolicy`.
    pub deletion_policy: DeletionPolicy,
}

/// `spec.cache`: the freshness that every answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// How old an answer may become before it is checked.
    pub ttl: Duration,
    /// The same for an absence, if lower.
    pub negative_ttl: Duration,
    /// How long past its TTL it may be served while the origin cannot be asked.
    pub stale_if_error: Duration,
}

impl Default for CacheConfig {
    /// The defaults of the CRD: Workers KV's 60 s, and a day.
    fn default() -> Self {
        let ttl = Duration::from_secs(60);
        Self { ttl, negative_ttl: ttl, stale_if_error: Duration::from_secs(86_400) }
    }
}

/// `spec.quota`: user bytes are key, value and metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Most keys.
    pub max_keys: u64,
    /// Most user bytes.
    pub max_bytes: u64,
}

impl Default for Quota {
    /// The defaults of the CRD.
    fn default() -> Self {
        Self { max_keys: 100_000, max_bytes: 64 * 1024 * 1024 }
    }
}

/// `spec.deletionPolicy`: what becomes of the data when the KvNamespace is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Every object is owned by the KvNamespace and goes with it.
    #[default]
    Delete,
    /// No object has an owner; a KvNamespace created again with the name adopts them.
    Retain,
}

/// What a KvNamespace is known to have been before (as etcd's `--initial-cluster-state`): whether the root may be created if
/// there is none (design §6 invariant 7: no root, no guess).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// The KvNamespace has never had data: create the root, or adopt a retained one.
    New,
    /// `status` says that there were data: a missing root is damage.
    Existing,
}

/// What a repair does if it would have to drop keys whose entries are not known for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// Nothing: it says how many there are.
    Refuse,
    /// Drops them.
    Accept,
}

/// What came of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The data are sound, at this version.
    Done(Version),
    /// Nothing was written, since keys would be dropped: how many, why, and what to do.
    WouldDrop(String),
}

/// The declared entries of one generation of a KvNamespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// The KvNamespace object's UID.
    pub uid: String,
    /// `metadata.generation`; a commit of an older one is refused.
    pub generation: i64,
    /// The declared entries; one that is not among them is no longer declared and is deleted.
    pub entries: Vec<DeclaredEntry>,
    /// Whether `entries` is all of it. If not (a source cannot be read, an entry is faulty), declared entries that
    /// are not among them may still be meant: they stay as they are.
    pub complete: bool,
}

/// A key that belongs to the KvNamespace object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredEntry {
    /// The key.
    pub key: Key,
    /// Its value.
    pub value: Bytes,
    /// Its metadata.
    pub metadata: Option<Metadata>,
    /// When it ends.
    pub expiration: Option<Expiration>,
}

/// What committing a declaration changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclareOutcome {
    /// The state in which the declaration is in force.
    pub version: Version,
    /// Keys written: new, changed, or put back after somebody altered them.
    pub written: Vec<Key>,
    /// Those of them that existed as ordinary keys before and were taken over.
    pub taken_over: Vec<Key>,
    /// Keys deleted because they are no longer declared.
    pub removed: Vec<Key>,
}

/// Whether a KvNamespace's data can be trusted; the word is the reason of the condition `Ready`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not in memory yet.
    Loading,
    /// In memory and current.
    Ready,
    /// There is no root, and there should be one.
    RootMissing,
    /// The root has a format that this program does not know: another version has written it, and only such a one may
    /// write it again.
    FormatUnknown {
        /// Which format.
        detail: String,
    },
    /// The root fails its digest.
    RootDamaged {
        /// What is wrong with it.
        detail: String,
    },
    /// The root's name is taken by an object that is not ours (another owner, no nearkv object).
    NameTaken {
        /// By whom.
        detail: String,
    },
    /// Some segment, page or value is missing or fails its digest, and no replica holds what it said.
    PartDamaged {
        /// Which objects and key ranges.
        detail: String,
    },
    /// The store refuses what must be written (permissions, admission, quota of the cluster).
    StoreRefused {
        /// The store's own words.
        detail: String,
    },
}

impl Health {
    /// The words of all states.
    pub const WORDS: [&'static str; 8] = [
        "Loading",
        "Ready",
        "RootMissing",
        "FormatUnknown",
        "RootDamaged",
        "NameTaken",
        "PartDamaged",
        "StoreRefused",
    ];

    /// The condition's reason.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Loading => "Loading",
            Self::Ready => "Ready",
            Self::RootMissing => "RootMissing",
            Self::FormatUnknown { .. } => "FormatUnknown",
            Self::RootDamaged { .. } => "RootDamaged",
            Self::NameTaken { .. } => "NameTaken",
            Self::PartDamaged { .. } => "PartDamaged",
            Self::StoreRefused { .. } => "StoreRefused",
        }
    }
}

/// The state of a KvNamespace's data, for `status` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the data can be trusted.
    pub health: Health,
    /// The newest state; `None` before the first load.
    pub version: Option<Version>,
    /// Keys that have not expired, as last counted.
    pub keys: u64,
    /// User bytes: key, value and metadata.
    pub bytes: u64,
    /// Objects that the root reaches, the root included.
    pub objects: u64,
    /// Generation of the declaration in force, with its owner's UID.
    pub declared: Option<(String, i64)>,
    /// The deletion policy that the objects follow now.
    pub deletion_policy: Option<DeletionPolicy>,
    /// Roots so far whose state in the memory of this process was not the one that their committer had.
    pub differences: u64,
}

/// Finds a KvNamespace that is not configured yet: the live look before "No such KvNamespace" is answered.
#[async_trait::async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// Reads the KvNamespace object now.
    ///
    /// # Errors
    /// `unavailable` (503) if it cannot be asked.
    async fn look(&self, namespace: &Namespace) -> Result<Option<NamespaceConfig>, nearkv::Error>;
}

/// The lowest time to live of a KvNamespace that does not lower it.
pub const DEFAULT_MIN_TTL: Duration = limits::MIN_EXPIRATION_TTL;
