//! The storage format, version 1: how a KvNamespace's data are written into objects (design §6). Pure: types,
//! encoding, decoding, digests. Nothing here reads or writes a store.
//!
//! ```text
//! root <name>.kv ─┬─ newest records, inline
//!                 ├─ newest segments   <name>.kv.log.<nonce>
//!                 └─ manifest          <name>.kv.manifest.<nonce> ─┬─ older segments
//!                                                                  └─ pages <name>.kv.page.<nonce>
//! a record or page entry over 4 KiB ── chunks <name>.kv.value.<nonce>.<i>
//! ```

mod beside;
mod bounds;
mod canary;
mod json;
mod manifest;
mod part;
mod record;
mod root;
pub(crate) mod sizes;
mod state_digest;

use nearkv::{Key, Namespace};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use bounds::{BoundsByFirst, KeyBounds};
pub use canary::{CANARY, ObjectPath, ReplicaState, Report, canary_name};
pub use manifest::{Child, List, Manifest, ManifestObject, Reference, Top};
pub use part::{Drafter, LABEL_BYTES, bounds_beside, checked_lines, chunk_bytes, chunk_name};
pub use record::{Chunks, Put, Record, StoredValue, Versioned, decode_lines, encode_lines};
pub use root::{DeclaredMark, ManifestRef, Root, Writer};
pub use state_digest::StateDigest;

use crate::store::ObjectName;

/// The number in every root; a program that does not know it keeps its hands off.
pub const FORMAT: u32 = 1;
/// Label: which KvNamespace (in the object's folder) an object belongs to.
pub const LABEL_NAMESPACE: &str = "nearkv.dev/kvnamespace";
/// Label: which [`Part`] an object is.
pub const LABEL_PART: &str = "nearkv.dev/part";

/// A value up to this many bytes stands in its record and in memory; a longer one is chunked.
pub const INLINE_VALUE_BYTES: usize = 4 * 1024;
/// Largest encoded segment, page or manifest. Half of what SIG Scalability asks for objects that rarely change,
/// so that rewriting one costs little.
pub const PART_BYTES: usize = 64 * 1024;
/// Largest chunk of a value.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// Largest encoded root. Updates of 16 KiB objects run at half the rate of 1 KiB ones; beyond it gets worse fast.
pub const ROOT_BYTES: usize = 16 * 1024;

/// What an object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The commit point.
    Root,
    /// A run of records.
    Log,
    /// Older segments and pages.
    Manifest,
    /// The entries of a key range.
    Page,
    /// A chunk of a value.
    Value,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Root, Self::Log, Self::Manifest, Self::Page, Self::Value];

    /// The value of the label [`LABEL_PART`], and the word in the object's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Log => "log",
            Self::Manifest => "manifest",
            Self::Page => "page",
            Self::Value => "value",
        }
    }
}

/// The root's name: `<name>.kv`.
#[must_use]
pub fn root_name(namespace: &Namespace) -> ObjectName {
    ObjectName::new(namespace.account(), &format!("{}.kv", namespace.name()))
}

/// A part's name: `<name>.kv.<part>.<nonce>`, for a chunk with `.<index>` behind it.
#[must_use]
pub fn part_name(namespace: &Namespace, part: Part, nonce: &str) -> ObjectName {
    ObjectName::new(namespace.account(), &format!("{}.kv.{}.{nonce}", namespace.name(), part.as_str()))
}

/// Reference to a segment. A record's version is `first` plus its line number, so a rebase changes this and
/// never the immutable segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRef {
    /// The object's name.
    pub segment: String,
    /// The version of its first record.
    pub first: u64,
    /// How many records it has.
    pub records: u64,
    /// Size of its lines: a checkpoint is due when the log outgrows the pages.
    pub bytes: u64,
    /// SHA-256 of its lines.
    pub sha256: Sha,
    /// Between which keys its records are, where that is known. In a data field of its own (`bounds.rs`).
    #[serde(skip)]
    pub keys: Option<KeyBounds>,
}

/// Two references to one segment say the same, whatever else is known of its keys.
impl PartialEq for SegmentRef {
    fn eq(&self, other: &Self) -> bool {
        let Self { segment, first, records, bytes, sha256, keys: _ } = self;
        let same_place = (segment, first, records) == (&other.segment, &other.first, &other.records);
        same_place && (bytes, sha256) == (&other.bytes, &other.sha256)
    }
}

impl Eq for SegmentRef {}

impl SegmentRef {
    /// The version of its last record.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first + self.records.saturating_sub(1)
    }
}

/// Reference to a page: the entries of the keys from `from` up to the next page's `from`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageRef {
    /// The object's name.
    pub page: String,
    /// The first key of the range; `None` for the first page, whose range has no lower end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Key>,
    /// The version whose state of the range it holds. A later entry of the range is not of the page.
    pub version: u64,
    /// How many entries it has.
    pub entries: u64,
    /// Size of its lines.
    pub bytes: u64,
    /// SHA-256 of its lines.
    pub sha256: Sha,
}

/// A SHA-256, written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha([u8; 32]);

impl Sha {
    /// Its first 16 bytes as a number, for sums of digests.
    pub(super) fn short(self) -> u128 {
        self.0.iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }

    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest that a hasher has arrived at.
    #[must_use]
    pub fn finish(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }
}

impl std::fmt::Display for Sha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Sha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sha {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let malformed = || serde::de::Error::custom("a SHA-256 has 64 hex digits");
        if text.len() != 64 || !text.is_ascii() {
            return Err(malformed());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| malformed())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| malformed())?;
        }
        Ok(Self(bytes))
    }
}

/// What is wrong with an object's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A field of the object is not there.
    #[error("field {0:?} is missing")]
    FieldMissing(&'static str),
    /// The content is not what its digest or reference says.
    #[error("the digest does not match: the content was edited or cut off")]
    Digest,
    /// A format of another, newer program.
    #[error("format {0} is not known to this version of nearkv")]
    Unknown(u32),
    /// JSON that does not parse, with the line in the field.
    #[error("line {line}: {message}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
}
