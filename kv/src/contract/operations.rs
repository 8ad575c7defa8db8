//! [`Kv`]: the operations, their options and their answers.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{future::BoxFuture, stream::BoxStream};

use crate::{
    Answer, BulkOutcome, Cursor, Entry, Error, ExpirationRequest, Key, Lookup, Metadata, Mutation, Namespace,
    Page, Prefix, Value, Version,
};

/// A Workers KV: implemented by the origin (memory over an object store), the edge cache (memory over any
/// other `Kv`), and the HTTP client (any of the two, elsewhere). The conformance cases run against each.
///
/// Every method answers `namespace-missing` (400) for a KvNamespace that does not exist and
/// `namespace-loading` (503) for one that is not in memory yet.
#[async_trait]
pub trait Kv: Send + Sync + 'static {
    /// Reads one entry.
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error>;

    /// Reads many entries; the answers are in the order of the keys. No promise that they are of one state: the
    /// answer's state is the oldest of theirs.
    async fn get_many(
        &self,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error>;

    /// Writes an entry. Acknowledged means durable. The answer is the entry's version.
    ///
    /// # Errors
    /// The contract's refusals; `outcome-unknown` (503) where the write may have been committed: it is not
    /// repeated by anybody but the client.
    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error>;

    /// Removes an entry. That there is none is success. The answer's state is one in which the key is absent.
    ///
    /// # Errors
    /// As for [`Kv::put`].
    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error>;

    /// Writes and removes any number of entries, visible by one swap or not at all. Of mutations of one key the last
    /// wins. A stream that ends with an error writes nothing.
    ///
    /// # Errors
    /// Those of the first mutation that is refused, and the failures of a write; then nothing has changed, unless it
    /// is `outcome-unknown` (503).
    async fn write_many(
        &self,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error>;

    /// Lists keys in ascending order of their UTF-8 bytes.
    ///
    /// # Errors
    /// `cursor-invalid` (400) for a cursor of another incarnation.
    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error>;
}

/// How a read may be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The reader's own bound on the age of the answer, at least 30 s; `None` for the KvNamespace's.
    pub cache_ttl: Option<Duration>,
    /// The answer must show a state at least this new (`Nearkv-Min-Version`); a state that the freshly read
    /// root does not have is `version-not-reached` (412) at once.
    pub min_version: Option<Version>,
    /// The answer must be the origin's own, not a cache's (`Cache-Control: no-cache`, RFC 9111 §5.2.1.4), and an outage
    /// of the origin is an error.
    pub from_origin: bool,
    /// The answer must come from what a cache holds, and nothing is asked for it (RFC 9111 §5.2.1.7); what is not held
    /// is `unavailable` (503). Who is no cache has it all.
    pub only_if_cached: bool,
}

/// How one entry is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetOptions {
    /// How the read may be answered.
    pub read: ReadOptions,
    /// If the entry still has this version, answer [`Lookup::Unchanged`].
    pub if_none_match: Option<Version>,
}

/// What is written beside the value, and under which condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// When the entry shall end.
    pub expiration: Option<ExpirationRequest>,
    /// A JSON value beside the value.
    pub metadata: Option<Metadata>,
    /// Write only if this holds.
    pub condition: Option<Condition>,
}

/// Under which condition an entry is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Remove only if this holds.
    pub condition: Option<Condition>,
}

/// A condition on the entry that a write replaces (RFC 9110 §13.1). Judged against the very state that is
/// replaced; an expired entry counts as absent. Otherwise `precondition-failed` (412).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `If-Match`: the entry has one of these versions.
    Versions(Vec<Version>),
    /// `If-Match: *`: there is an entry.
    Exists,
    /// `If-None-Match: *`: there is none.
    Absent,
}

impl Condition {
    /// Whether the condition holds for the entry's present version.
    #[must_use]
    pub fn holds(&self, present: Option<Version>) -> bool {
        match (self, present) {
            (Self::Versions(versions), Some(present)) => versions.contains(&present),
            (Self::Exists, present) => present.is_some(),
            (Self::Absent, present) => present.is_none(),
            (Self::Versions(_), None) => false,
        }
    }
}

/// What a list shall contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// The start of the keys.
    pub prefix: Prefix,
    /// Most keys on the page, 1 to 1000; `None` for 1000.
    pub limit: Option<usize>,
    /// Go on behind an earlier page.
    pub cursor: Option<Cursor>,
    /// How the list may be answered.
    pub read: ReadOptions,
}

#[async_trait]
impl<K: Kv + ?Sized> Kv for Arc<K> {
    // As `async_trait` would write it, but for a box of its own around that of what is shared: every cached read of a
    // server comes by here.
    fn get<'a, 'b, 'c, 'd, 'f>(
        &'a self,
        namespace: &'b Namespace,
        key: &'c Key,
        options: &'d GetOptions,
    ) -> BoxFuture<'f, Result<Answer<Lookup>, Error>>
    where
        'a: 'f,
        'b: 'f,
        'c: 'f,
        'd: 'f,
        Self: 'f,
    {
        (**self).get(namespace, key, options)
    }

    async fn get_many(
        &self,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        (**self).get_many(namespace, keys, options).await
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        (**self).put(namespace, key, value, options).await
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        (**self).delete(namespace, key, options).await
    }

    async fn write_many(
        &self,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        (**self).write_many(namespace, mutations).await
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        (**self).list(namespace, options).await
    }
}
