//! Bulk writes pass through as they stream; this edge notes the keys that go by, and treats each as a single write
//! when the answer is there. Of a bulk with more keys than that is worth, everything held of the KvNamespace is
//! treated so.

use std::sync::Arc;

use futures::{StreamExt, stream::BoxStream};
use nearkv::{Answer, BulkOutcome, Error, Key, Kv, Mutation, Namespace, Version};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    cache::Shared,
    floor::{Floor, Ticket},
    metrics::Operation,
    settings::BULK_KEYS_NOTED,
    slot::Slot,
    writes::proof,
};

/// What a write may have changed. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Touched {
    /// One entry.
    One(Slot),
    /// Those of a bulk.
    Many(Arc<Bulk>),
}

impl Touched {
    pub(crate) fn namespace(&self) -> &Namespace {
        match self {
            Self::One(slot) => slot.namespace(),
            Self::Many(bulk) => &bulk.namespace,
        }
    }
}

/// The keys of a bulk write that have gone by.
pub(crate) struct Bulk {
    namespace: Namespace,
    keys: Mutex<Keys>,
}

/// Which keys.
enum Keys {
    /// These.
    Noted(Vec<Key>),
    /// Too many to note.
    Any,
}

impl Bulk {
    fn note(&self, key: &Key) {
        let mut keys = self.keys.lock();
        match &mut *keys {
            Keys::Noted(noted) if noted.len() < BULK_KEYS_NOTED => noted.push(key.clone()),
            Keys::Noted(_) => *keys = Keys::Any,
            Keys::Any => {}
        }
    }
}

impl<K: Kv> Shared<K> {
    pub(crate) async fn write_many(
        self: &Arc<Self>,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        let bulk = Arc::new(Bulk { namespace: namespace.clone(), keys: Mutex::new(Keys::Noted(Vec::new())) });
        let (shared, noting, written) = (self.clone(), bulk.clone(), bulk.clone());
        let mutations = mutations.inspect(move |mutation| {
            if let Ok(mutation) = mutation {
                noting.note(mutation.key());
            }
        });
        self.see_through(Operation::WriteMany, Touched::Many(bulk), async move {
            let (sent, ticket) = (Instant::now(), shared.ticket());
            let answer = shared.upstream.write_many(&written.namespace, mutations.boxed()).await?;
            let version = answer.state.version;
            match &*written.keys.lock() {
                Keys::Noted(keys) => {
                    for key in keys {
                        let slot = Slot::entry(&written.namespace, key);
                        shared.acknowledge(&slot, version, None, proof(ticket, sent, &answer.state));
                    }
                }
                Keys::Any => shared.acknowledge_any(&written.namespace, version, ticket),
            }
            Ok(answer)
        })
        .await
    }

    /// Some write of the KvNamespace is true at `version`: nothing older is served or believed any more.
    fn acknowledge_any(&self, namespace: &Namespace, version: Version, ticket: Ticket) {
        if self.lives.enter(namespace, version.incarnation, ticket).is_some() {
            self.lives.renew(namespace, Floor::written(version));
        }
    }

    /// A bulk write ended, and nobody knows how.
    pub(crate) fn doubt_bulk(&self, bulk: &Bulk) {
        match &*bulk.keys.lock() {
            Keys::Noted(keys) => keys.iter().for_each(|key| self.doubt(&Slot::entry(&bulk.namespace, key))),
            Keys::Any => self.lives.renew(&bulk.namespace, Floor::doubted(self.ticket())),
        }
    }
}
