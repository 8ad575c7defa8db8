//! Writes pass through, and what they make true is true at this edge before their client hears of it: the floor
//! rises, what is held is replaced or dropped, and the log tells the lists.
//!
//! A write is a task of its own: a client that goes away must not leave its outcome unheard.
//!
//! *Two puts, acknowledged in the wrong order.* t0 puts A and B of k are sent; t1 A is committed as 10, B as 11; t2
//! B's answer comes: floor 11, B is held; t3 A's answer comes: the floor stays 11, and A, true at 10, is not kept.
//!
//! *An unknown outcome after an acknowledged write.* t0 put A is sent; t1 put B fails with its outcome unknown; t2 A
//! is acknowledged. B may have come after A. A's request was sent before t1, so A is not kept, and the next read
//! asks upstream.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use nearkv::{
    Answer, Error, Expiration, ExpirationRequest, Key, Kv, Namespace, PutOptions, Reason, Value, Version,
    access::Caller,
};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    bulk::Touched,
    cache::Shared,
    circuit::is_silence,
    floor::{Floor, Ticket},
    held::{Body, Found, Held, Proof},
    metrics::{Operation, upstream_span},
    settings::{CIRCUIT_COOLDOWN, STORED_PUT_BYTES},
    slot::Slot,
};

/// What a client reads whose write was not sent.
const UNWRITTEN: &str = "The origin cannot be reached; nothing was written; try again";

/// What an acknowledged put made true, where this edge can know it: all of the bytes, and a moment of expiration
/// that is not the origin's to compute.
pub(crate) struct Known {
    bytes: Bytes,
    expiration: Option<Expiration>,
}

impl Known {
    pub(crate) fn of(value: &Value, options: &PutOptions) -> Option<Self> {
        let Value::Bytes(bytes) = value else { return None };
        let expiration = match options.expiration {
            None => None,
            Some(ExpirationRequest::At(at)) => Some(Expiration(u64::try_from(at).ok()?)),
            Some(ExpirationRequest::Ttl(_)) => return None,
        };
        (bytes.len() <= STORED_PUT_BYTES).then(|| Self { bytes: bytes.clone(), expiration })
    }
}

/// A body that is announced as small is gathered, to be kept when the put is acknowledged. Any other streams through.
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
        let (shared, slot, options) = (self.clone(), Slot::entry(namespace, key), options.clone());
        let (namespace, key) = (namespace.clone(), key.clone());
        self.see_through(Operation::Put, Touched::One(slot.clone()), async move {
            let value = in_memory_if_small(value).await?;
            let known = Known::of(&value, &options);
            let (sent, ticket) = (Instant::now(), shared.ticket());
            let answer = shared.upstream.put(&namespace, &key, value, &options).await?;
            let version = answer.body;
            let body = known.map(|Known { bytes, expiration }| {
                Body::Found(Found { bytes, metadata: options.metadata, expiration, version })
            });
            // True at its own version. The answer's state may show a later write already.
            shared.acknowledge(&slot, version, body, proof(ticket, sent, &answer.state));
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
        let (shared, slot, options) = (self.clone(), Slot::entry(namespace, key), options.clone());
        let (namespace, key) = (namespace.clone(), key.clone());
        self.see_through(Operation::Delete, Touched::One(slot.clone()), async move {
            let (sent, ticket) = (Instant::now(), shared.ticket());
            let answer = shared.upstream.delete(&namespace, &key, &options).await?;
            let proof = proof(ticket, sent, &answer.state);
            shared.acknowledge(&slot, answer.state.version, Some(Body::Absent), proof);
            Ok(answer)
        })
        .await
    }

    /// Runs a write to its end, whether its client waits or not, and draws the consequences of a failure.
    pub(crate) async fn see_through<T: Send + 'static>(
        self: &Arc<Self>,
        operation: Operation,
        touched: Touched,
        write: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        if let Err(wait) = self.circuit.admit_write(Instant::now()) {
            return Err(unreachable(UNWRITTEN, wait));
        }
        let (shared, doubted) = (self.clone(), touched.clone());
        // The write is sent with its client's token, whether that still waits or not.
        let write = Caller::current().scope(write);
        let seen_through = async move {
            let sent = Instant::now();
            let result = write.await;
            let failure = result.as_ref().err().map(Error::reason);
            shared.metrics.upstream(operation, failure, sent.elapsed());
            match &result {
                Ok(_) => shared.answered(None),
                Err(error) if is_silence(error) => shared.circuit.silent(sent, Instant::now()),
                Err(error) if matches!(error.reason(), Reason::OutcomeUnknown | Reason::Internal) => {
                    shared.doubt_all(&doubted);
                }
                Err(error) if error.reason() == Reason::NamespaceMissing => {
                    shared.lives.end(doubted.namespace());
                }
                Err(_) => {}
            }
            result.map_err(
                |error| if is_silence(&error) { unreachable(UNWRITTEN, CIRCUIT_COOLDOWN) } else { error },
            )
        };
        let task = self.tasks.spawn(seen_through.instrument(upstream_span(operation)));
        task.await.unwrap_or_else(|broken| {
            self.doubt_all(&touched);
            Err(Error::new(Reason::OutcomeUnknown, "The write broke off; it may have been written")
                .with_source(broken))
        })
    }

    /// A write of the slot's key is acknowledged: it is true at `version`. `body` is what it made true, if known.
    pub(crate) fn acknowledge(&self, slot: &Slot, version: Version, body: Option<Body>, proof: Proof) {
        let Slot::Entry(namespace, key) = slot else { return };
        let Some(life) = self.lives.enter(namespace, version.incarnation, proof.ticket) else { return };
        let mut stripe = self.stripe(slot);
        stripe.floors.raise(slot, Floor::written(version), &self.lives);
        let floor = self.floor(&stripe, slot);
        let present = self.cache.get(slot);
        let written = body
            .map(|body| Held::new(life.clone(), body, version, proof))
            .filter(|held| floor.admits(held.version, held.proof.ticket))
            .filter(|held| present.as_ref().is_none_or(|present| held.supersedes(present)));
        let shows_it = present.is_some_and(|present| present.version >= version);
        match written {
            Some(held) => self.cache.insert(slot.clone(), Arc::new(held)),
            None if shows_it => {}
            None => self.cache.invalidate(slot),
        }
        life.log().push(key.clone(), Floor::written(version));
    }

    /// A write of these keys ended, and nobody knows how.
    fn doubt_all(&self, touched: &Touched) {
        match touched {
            Touched::One(slot) => self.doubt(slot),
            Touched::Many(bulk) => self.doubt_bulk(bulk),
        }
    }

    /// A write of the slot's key ended, and nobody knows how. What is held may be served as stale, if upstream cannot
    /// be asked, and never as a hit.
    pub(crate) fn doubt(&self, slot: &Slot) {
        let Slot::Entry(namespace, key) = slot else { return };
        let floor = Floor::doubted(self.ticket());
        let mut stripe = self.stripe(slot);
        stripe.floors.raise(slot, floor, &self.lives);
        if let Some(present) = self.cache.get(slot) {
            self.cache.insert(slot.clone(), Arc::new(present.suspected()));
        }
        // Without a life no page is held that the write could have changed.
        if let Some(life) = self.lives.current(namespace) {
            life.log().push(key.clone(), floor);
        }
    }
}

pub(crate) fn unreachable(text: &'static str, wait: Duration) -> Error {
    Error::new(Reason::Unavailable, text).with_retry_after(wait.max(CIRCUIT_COOLDOWN))
}

pub(crate) fn proof(ticket: Ticket, sent: Instant, state: &nearkv::State) -> Proof {
    Proof { ticket, sent, age: state.age, time: state.time, freshness: state.freshness }
}
