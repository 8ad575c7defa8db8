//! Bulk writes stream through. This edge collects their keys, and applies the answer to each as to a single write. A bulk
//! with too many keys for that applies to everything cached of the KvNamespace.

use std::sync::Arc;

use futures::{StreamExt, stream::BoxStream};
use nearkv::{Answer, BulkOutcome, Error, Key, Kv, Mutation, Namespace, Version};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    cache::Shared,
    coherence::{CacheKey, Floor, Ticket},
    entry::Proof,
    metrics::Operation,
    settings::MAX_BULK_KEYS_LISTED,
};

/// What a write may have changed. Cheap to clone.
#[derive(Clone)]
pub(super) enum WriteTarget {
    /// One entry.
    One(CacheKey),
    /// The entries of a bulk.
    Many(Arc<Bulk>),
}

impl WriteTarget {
    pub(super) fn namespace(&self) -> &Namespace {
        match self {
            Self::One(cache_key) => cache_key.namespace(),
            Self::Many(bulk) => &bulk.namespace,
        }
    }
}

/// The keys of a bulk write, as far as it has streamed.
pub(super) struct Bulk {
    namespace: Namespace,
    keys: Mutex<Keys>,
}

enum Keys {
    /// All of them.
    Listed(Vec<Key>),
    /// There are more than [`MAX_BULK_KEYS_LISTED`].
    TooMany,
}

impl Bulk {
    fn add(&self, key: &Key) {
        let mut keys = self.keys.lock();
        match &mut *keys {
            Keys::Listed(listed) if listed.len() < MAX_BULK_KEYS_LISTED => listed.push(key.clone()),
            Keys::Listed(_) => *keys = Keys::TooMany,
            Keys::TooMany => {}
        }
    }
}

impl<K: Kv> Shared<K> {
    pub(crate) async fn write_many(
        self: &Arc<Self>,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        let bulk =
            Arc::new(Bulk { namespace: namespace.clone(), keys: Mutex::new(Keys::Listed(Vec::new())) });
        let (shared, collecting, written) = (self.clone(), bulk.clone(), bulk.clone());
        let mutations = mutations.inspect(move |mutation| {
            if let Ok(mutation) = mutation {
                collecting.add(mutation.key());
            }
        });
        self.run_write(Operation::WriteMany, WriteTarget::Many(bulk), async move {
            let (sent, ticket) = (Instant::now(), shared.ticket());
            let answer = shared.upstream.write_many(&written.namespace, mutations.boxed()).await?;
            let version = answer.state.version;
            match &*written.keys.lock() {
                Keys::Listed(keys) => {
                    for key in keys {
                        let cache_key = CacheKey::entry(&written.namespace, key);
                        shared.acknowledge(
                            &cache_key,
                            version,
                            None,
                            Proof::new(ticket, sent, &answer.state),
                        );
                    }
                }
                Keys::TooMany => shared.acknowledge_all(&written.namespace, version, ticket),
            }
            Ok(answer)
        })
        .await
    }

    /// Applies an acknowledged bulk write of too many keys: no answer of the KvNamespace older than `version` is served or
    /// cached any more.
    fn acknowledge_all(&self, namespace: &Namespace, version: Version, ticket: Ticket) {
        if self.incarnations.admit(namespace, version.incarnation, ticket).is_some() {
            self.incarnations.invalidate(namespace, Floor::written(version));
        }
    }

    /// A bulk write ended with an unknown outcome.
    pub(super) fn mark_bulk_unknown(&self, bulk: &Bulk) {
        match &*bulk.keys.lock() {
            Keys::Listed(keys) => {
                for key in keys {
                    self.mark_key_unknown(&CacheKey::entry(&bulk.namespace, key));
                }
            }
            Keys::TooMany => {
                self.incarnations.invalidate(&bulk.namespace, Floor::unknown_outcome(self.ticket()));
            }
        }
    }
}
