//! Bulk writes: a stream of mutations, visible by one swap or not at all.

use serde::{Deserialize, Serialize};

use crate::{DeleteOptions, Key, PutOptions, Value};

/// One write of a bulk. The value of a put may be a stream out of the same body as the mutations behind it: these come
/// once it is read or dropped.
#[derive(Debug)]
pub enum Mutation {
    /// Write an entry.
    Put {
        /// Under this key.
        key: Key,
        /// With this value.
        value: Value,
        /// And what belongs to it.
        options: PutOptions,
    },
    /// Remove an entry; that there is none is success.
    Delete {
        /// The key.
        key: Key,
        /// Under which condition.
        options: DeleteOptions,
    },
}

impl Mutation {
    /// The key that it writes or removes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } => key,
        }
    }
}

/// What a bulk write changed. Of mutations of the same key the last wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkOutcome {
    /// How many mutations were taken, repeated keys included.
    pub mutations: u64,
    /// How many entries were written.
    pub written: u64,
    /// How many entries were removed.
    pub removed: u64,
}
