//! What an object store can answer other than success. The distinction that matters: definite refusals, after
//! which nothing was written, and [`StoreError::Unknown`], after which a write may still land.

use std::{error::Error, sync::Arc, time::Duration};

use crate::store::ObjectName;

/// A refusal or failure of an object store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Definite: the name is taken (409 `AlreadyExists`).
    #[error("object {0} exists already")]
    Exists(ObjectName),
    /// Definite: the object has another token or identity than expected (409 `Conflict`).
    #[error("object {0} was changed by somebody else")]
    Conflict(ObjectName),
    /// Definite: there is no such object (404).
    #[error("object {0} does not exist")]
    Missing(ObjectName),
    /// Definite: the store will not take it: permissions, admission, size (403, 413, 422).
    #[error("object {name} was refused: {message}")]
    Refused {
        /// Which object.
        name: ObjectName,
        /// The store's own words.
        message: String,
    },
    /// Definite: too many requests; nothing was written (429).
    #[error("the store asks for patience")]
    Throttled {
        /// When to try again, if the store said so.
        retry_after: Option<Duration>,
    },
    /// Unknown: the transport broke, time ran out, or the store failed (5xx). A write may have been
    /// committed, or may still be.
    #[error("the outcome of {action} on {name} is unknown: {source}")]
    Unknown {
        /// What was asked: `get`, `create`, `replace`, …
        action: &'static str,
        /// Which object.
        name: ObjectName,
        /// What broke.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// What is stored is not what the store writes: a damaged file, a foreign format. Names the place.
    #[error("{place}: {message}")]
    Damaged {
        /// File and line, or object.
        place: String,
        /// What is wrong with it.
        message: String,
    },
}

impl StoreError {
    /// Whether a write that met this may have been committed, or may still be.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}
