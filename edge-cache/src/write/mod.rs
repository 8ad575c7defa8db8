//! Writes pass through to upstream. Before the client gets the acknowledgement, this edge raises the key's floor,
//! replaces or drops the cached answer, and appends the write to the log for the lists. Bulk writes are in `bulk`.
//!
//! A write is a task of its own, so that its outcome takes effect here also if the client disconnects.
//!
//! *Two puts, acknowledged in the wrong order.* t0 puts A and B of k are sent. t1 A is committed as 10, B as 11. t2 the
//! answer to B arrives: the floor is 11, B is cached. t3 the answer to A arrives: the floor stays 11, and A, true at
//! 10, is not cached.
//!
//! *An unknown outcome after an acknowledged write.* t0 put A is sent. t1 put B fails with an unknown outcome. t2 A is
//! acknowledged. B may have been committed after A. The request for A was sent before t1, so A is not cached, and the
//! next read asks upstream.

mod bulk;

use std::sync::Arc;

use bytes::Bytes;
use nearkv::{
    Answer, Error, Expiration, ExpirationRequest, Key, Kv, Namespace, PutOptions, Reason, Value, Version,
    access::Caller,
};
use tokio::time::Instant;
use tracing::Instrument;

use self::bulk::WriteTarget;
use crate::{
    cache::Shared,
    circuit::is_silence,
    coherence::{CacheKey, Floor},
    entry::{Body, CachedEntry, Found, Proof},
    fetch::unreachable,
    metrics::{Operation, upstream_span},
    settings::{CIRCUIT_COOLDOWN, STORED_PUT_BYTES},
};

/// What the client of a write that was not sent reads.
const UNWRITTEN: &str = "The origin cannot be reached; nothing was written; try again";

/// The entry that an acknowledged put wrote, if this edge can know it: it has all of the bytes, and the origin does not
/// compute the expiration.
struct Known {
    bytes: Bytes,
    expiration: Option<Expiration>,
}

impl Known {
    fn of(value: &Value, options: &PutOptions) -> Option<Self> {
        let Value::Bytes(bytes) = value else { return None };
        let expiration = match options.expiration {
            None => None,
            Some(ExpirationRequest::At(at)) => Some(Expiration(u64::try_from(at).ok()?)),
            Some(ExpirationRequest::Ttl(_)) => return None,
        };
        (bytes.len() <= STORED_PUT_BYTES).then(|| Self { bytes: bytes.clone(), expiration })
    }
}

/// Reads a body into memory if its length is known to be small, to cache it when the put is acknowledged. Any other
/// streams through.
async fn in_memory_if_small(value: Value) -> Result<Value, Error> {
    match value.length() {
        Some(length) if length <= STORED_PUT_BYTES as u64 => value.into_bytes().await.map(Value::Bytes),
        Some(_) | None => Ok(value),
    }
}

impl<K: Kv> Shared<K> {
    pub(crate) async fn write_put(
        self: &Arc<Self>,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        let (shared, cache_key, options) = (self.clone(), CacheKey::entry(namespace, key), options.clone());
        let (namespace, key) = (namespace.clone(), key.clone());
        self.run_write(Operation::Put, WriteTarget::One(cache_key.clone()), async move {
            let value = in_memory_if_small(value).await?;
            let known = Known::of(&value, &options);
            let (sent, ticket) = (Instant::now(), shared.ticket());
            let answer = shared.upstream.put(&namespace, &key, value, &options).await?;
            let version = answer.body;
            let body = known.map(|Known { bytes, expiration }| {
                Body::Found(Found { bytes, metadata: options.metadata, expiration, version })
            });
            // It is true at its own version. The state of the answer may already show a later write.
            shared.acknowledge(&cache_key, version, body, Proof::new(ticket, sent, &answer.state));
            Ok(answer)
        })
        .await
    }

    pub(crate) async fn write_delete(
        self: &Arc<Self>,
        namespace: &Namespace,
        key: &Key,
        options: &nearkv::DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        let (shared, cache_key, options) = (self.clone(), CacheKey::entry(namespace, key), options.clone());
        let (namespace, key) = (namespace.clone(), key.clone());
        self.run_write(Operation::Delete, WriteTarget::One(cache_key.clone()), async move {
            let (sent, ticket) = (Instant::now(), shared.ticket());
            let answer = shared.upstream.delete(&namespace, &key, &options).await?;
            let proof = Proof::new(ticket, sent, &answer.state);
            shared.acknowledge(&cache_key, answer.state.version, Some(Body::Absent), proof);
            Ok(answer)
        })
        .await
    }

    /// Runs a write to its end, also if its client disconnects, and applies what a failure means for the cache.
    async fn run_write<T: Send + 'static>(
        self: &Arc<Self>,
        operation: Operation,
        target: WriteTarget,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        if let Err(wait) = self.circuit.admit_write(Instant::now()) {
            return Err(unreachable(UNWRITTEN, wait));
        }
        let (shared, written) = (self.clone(), target.clone());
        // The write is sent with its client's token, also if the client has disconnected.
        let write = Caller::current().scope(write);
        let run = async move {
            let sent = Instant::now();
            let result = write.await;
            let failure = result.as_ref().err().map(Error::reason);
            shared.metrics.upstream(operation, failure, sent.elapsed());
            match &result {
                Ok(_) => shared.answered(None),
                Err(error) if is_silence(error) => shared.circuit.silent(sent, Instant::now()),
                Err(error) if matches!(error.reason(), Reason::OutcomeUnknown | Reason::Internal) => {
                    shared.mark_unknown(&written);
                }
                Err(error) if error.reason() == Reason::NamespaceMissing => {
                    shared.incarnations.remove(written.namespace());
                }
                Err(_) => {}
            }
            result.map_err(
                |error| if is_silence(&error) { unreachable(UNWRITTEN, CIRCUIT_COOLDOWN) } else { error },
            )
        };
        let task = self.tasks.spawn(run.instrument(upstream_span(operation)));
        task.await.unwrap_or_else(|broken| {
            self.mark_unknown(&target);
            Err(Error::new(Reason::OutcomeUnknown, "The write broke off; it may have been written")
                .with_source(broken))
        })
    }

    /// Applies an acknowledged write: it is true at `version`. `body` is what it wrote, if known.
    fn acknowledge(&self, cache_key: &CacheKey, version: Version, body: Option<Body>, proof: Proof) {
        let CacheKey::Entry(namespace, key) = cache_key else { return };
        let Some(incarnation) = self.incarnations.admit(namespace, version.incarnation, proof.ticket) else {
            return;
        };
        let mut stripe = self.stripe(cache_key);
        stripe.floors.raise(cache_key, Floor::written(version), &self.incarnations);
        let floor = self.floor(&stripe, cache_key);
        let present = self.cache.get(cache_key);
        let written = body
            .map(|body| CachedEntry::new(incarnation.clone(), body, version, proof))
            .filter(|cached| floor.admits(cached.version, cached.proof.ticket))
            .filter(|cached| present.as_ref().is_none_or(|present| cached.supersedes(present)));
        let shows_it = present.is_some_and(|present| present.version >= version);
        match written {
            Some(cached) => self.cache.insert(cache_key.clone(), Arc::new(cached)),
            None if shows_it => {}
            None => self.cache.invalidate(cache_key),
        }
        incarnation.log().push(key.clone(), Floor::written(version));
    }

    /// A write ended with an unknown outcome.
    fn mark_unknown(&self, target: &WriteTarget) {
        match target {
            WriteTarget::One(cache_key) => self.mark_key_unknown(cache_key),
            WriteTarget::Many(bulk) => self.mark_bulk_unknown(bulk),
        }
    }

    /// A write of this key ended with an unknown outcome. The cached answer may be served as stale, if upstream cannot be
    /// asked, and never as a hit.
    fn mark_key_unknown(&self, cache_key: &CacheKey) {
        let CacheKey::Entry(namespace, key) = cache_key else { return };
        let floor = Floor::unknown_outcome(self.ticket());
        let mut stripe = self.stripe(cache_key);
        stripe.floors.raise(cache_key, floor, &self.incarnations);
        if let Some(present) = self.cache.get(cache_key) {
            self.cache.insert(cache_key.clone(), Arc::new(present.suspected()));
        }
        // Without a current incarnation no page is cached that the write could have changed.
        if let Some(incarnation) = self.incarnations.current(namespace) {
            incarnation.log().push(key.clone(), floor);
        }
    }
}
