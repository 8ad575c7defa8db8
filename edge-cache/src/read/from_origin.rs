//! Reads that the origin itself must answer (`ReadOptions::from_origin`, as all of the REST face's). They pass the cache
//! and the fetches in flight, which may be older than a write elsewhere. An answer newer than the cached one replaces it.

use std::sync::Arc;

use nearkv::{
    Answer, Entry, Error, GetOptions, Key, Kv, ListOptions, Lookup, Namespace, Page, ReadOptions, Reason,
    State, Value, Version,
};
use tokio::time::Instant;

use crate::{
    cache::Shared,
    coherence::CacheKey,
    entry::{Body, CachedEntry, Found, Proof},
    fetch::unreachable,
    metrics::Operation,
};

impl<K: Kv> Shared<K> {
    pub(crate) async fn get_from_origin(
        self: &Arc<Self>,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        let (sent, ticket) = (Instant::now(), self.ticket());
        let answer = self.ask_origin(Operation::Get, self.upstream.get(namespace, key, options)).await;
        let answer = answer.inspect_err(|error| {
            if error.reason() == Reason::NamespaceMissing {
                self.incarnations.remove(namespace);
            }
        })?;
        let content = match &answer.body {
            Lookup::Absent => Content::Body(Body::Absent),
            Lookup::Found(entry) => content(entry),
            Lookup::Unchanged { .. } => return Ok(answer),
        };
        self.store_newer(
            &CacheKey::entry(namespace, key),
            content,
            &answer.state,
            Proof::new(ticket, sent, &answer.state),
        );
        Ok(answer)
    }

    pub(crate) async fn get_many_from_origin(
        self: &Arc<Self>,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        self.ask_origin(Operation::GetMany, self.upstream.get_many(namespace, keys, options)).await
    }

    pub(crate) async fn list_from_origin(
        self: &Arc<Self>,
        namespace: &Namespace,
        options: &ListOptions,
    ) -> Result<Answer<Page>, Error> {
        self.ask_origin(Operation::List, self.upstream.list(namespace, options)).await
    }

    async fn ask_origin<T>(
        &self,
        operation: Operation,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if let Err(wait) = self.circuit.admit_write(Instant::now()) {
            return Err(unreachable("The origin cannot be reached; try again", wait));
        }
        self.await_upstream(operation, answer).await
    }

    /// Caches an answer of upstream, if it is newer than the cached one and not below the floor.
    fn store_newer(&self, cache_key: &CacheKey, content: Content, state: &State, proof: Proof) {
        let Some(incarnation) =
            self.incarnations.admit(cache_key.namespace(), state.version.incarnation, proof.ticket)
        else {
            return;
        };
        let stripe = self.stripe(cache_key);
        let floor = self.floor(&stripe, cache_key);
        let present = self.cache.get(cache_key);
        match content {
            Content::Body(body) => {
                let ticket = proof.ticket;
                let cached = CachedEntry::new(incarnation, body, state.version, proof);
                let newer = present.is_none_or(|present| cached.supersedes(&present));
                if newer && floor.admits(cached.version, ticket) {
                    self.cache.insert(cache_key.clone(), Arc::new(cached));
                }
            }
            Content::Version(version) => {
                let is_old = |present: &CachedEntry| {
                    present.version < state.version && present.entry_version() != Some(version)
                };
                if present.is_some_and(|present| is_old(&present)) {
                    self.cache.invalidate(cache_key);
                }
            }
        }
    }
}

/// What an answer tells about an entry.
enum Content {
    /// The whole answer.
    Body(Body),
    /// Its version. The value streams through and is not cached.
    Version(Version),
}

fn content(entry: &Entry) -> Content {
    let Value::Bytes(bytes) = &entry.value else { return Content::Version(entry.version) };
    Content::Body(Body::Found(Found {
        bytes: bytes.clone(),
        metadata: entry.metadata.clone(),
        expiration: entry.expiration,
        version: entry.version,
    }))
}
