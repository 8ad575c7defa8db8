//! What all KvNamespaces of an origin share: the store, time, randomness, and who is to be told.

use std::sync::Arc;

use nearkv::{Clock, Namespace, Random};
use tokio::sync::{broadcast, watch};

use super::{
    Settings,
    budget::Budget,
    chunks::{CHUNK_CACHE_BYTES, ChunkCache},
    counters::{Counted, Counters},
    pacing::{Lane, Pace, Paced},
    settings::CHANGES_KEPT,
};
use crate::store::ObjectStore;

/// The surroundings of every [`super::space::Space`].
pub(super) struct Context {
    /// Writes wait here for the pace of the whole process.
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same store, for writes that stand back for commits.
    pub(super) upkeep_store: Arc<dyn ObjectStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<Random>,
    pub(super) settings: Settings,
    pub(super) changes: broadcast::Sender<Namespace>,
    /// What this process may send to the store.
    pub(super) pace: Arc<Pace>,
    /// What is counted.
    pub(super) counters: Arc<Counters>,
    /// What all KvNamespaces together may take in the store.
    pub(super) budget: Arc<Budget>,
    /// Chunks of long values lately read.
    pub(super) chunks: ChunkCache,
    maintainer: watch::Sender<bool>,
}

impl Context {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        random: Arc<Random>,
        settings: Settings,
    ) -> Self {
        let pace = Pace::new(settings.pacing);
        let counters = Arc::new(Counters::default());
        let store_of = |lane| {
            let counted = Counted::new(Arc::clone(&store), Arc::clone(&counters), lane);
            Paced::new(counted, Arc::clone(&pace), lane)
        };
        Self {
            upkeep_store: store_of(Lane::Maintenance),
            store: store_of(Lane::Commit),
            counters,
            pace,
            changes: broadcast::Sender::new(CHANGES_KEPT),
            budget: Arc::new(Budget::new(settings.budget_bytes, settings.budget_objects)),
            chunks: ChunkCache::new(CHUNK_CACHE_BYTES),
            maintainer: watch::Sender::new(false),
            clock,
            random,
            settings,
        }
    }

    /// Tells the listeners of [`super::Origin::changes`].
    pub(super) fn announce(&self, namespace: &Namespace) {
        // Nobody listening is no loss: a listener starts by looking at everything.
        let _ = self.changes.send(namespace.clone());
    }

    pub(super) fn set_maintainer(&self, on: bool) {
        self.maintainer.send_replace(on);
    }

    pub(super) fn maintainer(&self) -> watch::Receiver<bool> {
        self.maintainer.subscribe()
    }
}
