//! Reads that must be the origin's own (`ReadOptions::from_origin`, as all of the REST face's): past what is held and
//! past fetches in flight, which may be older than a write elsewhere. What is newer than what is held replaces it.

use std::sync::Arc;

use nearkv::{
    Answer, Entry, Error, GetOptions, Key, Kv, ListOptions, Lookup, Namespace, Page, ReadOptions, Reason,
    State, Value, Version,
};
use tokio::time::Instant;

use crate::{
    cache::Shared,
    held::{Body, Found, Held, Proof},
    metrics::Operation,
    slot::Slot,
    writes::{proof, unreachable},
};

impl<K: Kv> Shared<K> {
    pub(crate) async fn get_past(
        self: &Arc<Self>,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        let (sent, ticket) = (Instant::now(), self.ticket());
        let answer = self.ask_past(Operation::Get, self.upstream.get(namespace, key, options)).await;
        let answer = answer.inspect_err(|error| {
            if error.reason() == Reason::NamespaceMissing {
                self.lives.end(namespace);
            }
        })?;
        let learned = match &answer.body {
            Lookup::Absent => Learned::Body(Body::Absent),
            Lookup::Found(entry) => learned(entry),
            Lookup::Unchanged { .. } => return Ok(answer),
        };
        self.learn(&Slot::entry(namespace, key), learned, &answer.state, proof(ticket, sent, &answer.state));
        Ok(answer)
    }

    pub(crate) async fn get_many_past(
        self: &Arc<Self>,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        self.ask_past(Operation::GetMany, self.upstream.get_many(namespace, keys, options)).await
    }

    pub(crate) async fn list_past(
        self: &Arc<Self>,
        namespace: &Namespace,
        options: &ListOptions,
    ) -> Result<Answer<Page>, Error> {
        self.ask_past(Operation::List, self.upstream.list(namespace, options)).await
    }

    async fn ask_past<T>(
        &self,
        operation: Operation,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        if let Err(wait) = self.circuit.admit_write(Instant::now()) {
            return Err(unreachable("The origin cannot be reached; try again", wait));
        }
        self.hear(operation, answer).await
    }

    /// Keeps what upstream has just answered, if it is newer than what is held and no write has made it old.
    fn learn(&self, slot: &Slot, learned: Learned, state: &State, proof: Proof) {
        let Some(life) = self.lives.enter(slot.namespace(), state.version.incarnation, proof.ticket) else {
            return;
        };
        let stripe = self.stripe(slot);
        let floor = self.floor(&stripe, slot);
        let present = self.cache.get(slot);
        match learned {
            Learned::Body(body) => {
                let ticket = proof.ticket;
                let held = Held::new(life, body, state.version, proof);
                let newer = present.is_none_or(|present| held.supersedes(&present));
                if newer && floor.admits(held.version, ticket) {
                    self.cache.insert(slot.clone(), Arc::new(held));
                }
            }
            Learned::Version(version) => {
                let is_old = |present: &Held| {
                    present.version < state.version && present.entry_version() != Some(version)
                };
                if present.is_some_and(|present| is_old(&present)) {
                    self.cache.invalidate(slot);
                }
            }
        }
    }
}

/// What an answer says of an entry.
enum Learned {
    /// All of it.
    Body(Body),
    /// Its version; the value streams through and is not kept.
    Version(Version),
}

fn learned(entry: &Entry) -> Learned {
    let Value::Bytes(bytes) = &entry.value else { return Learned::Version(entry.version) };
    Learned::Body(Body::Found(Found {
        bytes: bytes.clone(),
        metadata: entry.metadata.clone(),
        expiration: entry.expiration,
        version: entry.version,
    }))
}
