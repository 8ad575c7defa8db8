//! [`Origin`]: the face of the engine towards the controller, the HTTP servers and the command line. What is
//! behind it is one [`Space`] per KvNamespace and one follower of all roots.

use std::{collections::HashMap, sync::Arc};

use futures::stream::BoxStream;
use nearkv::{Answer, Clock, Error, Namespace, Random, Reason, Version};
use parking_lot::RwLock;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{
    Birth, BulkOutcome, Catalog, Declaration, DeclareOutcome, Mutation, NamespaceConfig, Report, Settings,
    settings::CHANGES_KEPT, space::Space,
};
use crate::store::ObjectStore;

/// The origin: all entries of all configured KvNamespaces in memory, in key order, and their data in an object
/// store (design §6). Any number of origins may stand on the same store.
pub struct Origin {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<Random>,
    pub(super) settings: Settings,
    /// This process among the writers of a root.
    pub(super) process: String,
    spaces: RwLock<HashMap<Namespace, Arc<Space>>>,
    changes: broadcast::Sender<Namespace>,
}

impl Origin {
    /// An origin that knows no KvNamespace yet. Nothing happens before [`Origin::run`] is polled.
    #[must_use]
    pub fn new(
        store: Arc<dyn ObjectStore>,
        catalog: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
        random: Arc<Random>,
        settings: Settings,
    ) -> Arc<Self> {
        let process = random.hex128();
        Arc::new(Self {
            store,
            catalog,
            clock,
            random,
            settings,
            process,
            spaces: RwLock::default(),
            changes: broadcast::Sender::new(CHANGES_KEPT),
        })
    }

    /// Follows the roots of all KvNamespaces, commits what is written, and keeps the proof of being current,
    /// until `shutdown`; then finishes the commits in flight and joins its tasks.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }

    /// Takes a KvNamespace, or what has changed of it, from the watched KvNamespace objects. Idempotent. Its data
    /// are loaded in the background; another `uid` drops what was in memory.
    pub fn configure(&self, config: NamespaceConfig) {
        let mut spaces = self.spaces.write();
        if let Some(space) = spaces.get(&config.namespace) {
            if space.reconfigure(&config) {
                return;
            }
            space.close();
        }
        spaces.insert(config.namespace.clone(), Space::new(config));
    }

    /// Drops a KvNamespace from memory because its object, in the life that `uid` names, is gone.
    pub fn forget(&self, namespace: &Namespace, uid: &str) {
        let mut spaces = self.spaces.write();
        if spaces.get(namespace).is_some_and(|space| space.config().uid == uid)
            && let Some(space) = spaces.remove(namespace)
        {
            space.close();
            self.announce(namespace);
        }
    }

    /// Creates the root or adopts a retained one, and answers the state. For the holder of the lease; a no-op if
    /// there is a root of this KvNamespace already.
    ///
    /// # Errors
    /// `namespace-damaged` (503) if there should be a root and is none ([`Birth::Past`]), or if what is there is
    /// not to be trusted; `namespace-loading` (503) while an earlier KvNamespace's root waits for its deletion;
    /// what the store refuses.
    pub async fn initialise(&self, namespace: &Namespace, birth: Birth) -> Result<Version, Error> {
        let _ = birth;
        Err(Error::namespace_loading(namespace))
    }

    /// Commits a declared set: its entries become declared, those of the set before that are not in it are
    /// deleted. Without any write to the store if it is in force already.
    ///
    /// # Errors
    /// `request-invalid` (400) for an older generation than the one in force; limits, quota and the failures of a
    /// write.
    pub async fn declare(
        &self,
        namespace: &Namespace,
        declaration: Declaration,
    ) -> Result<DeclareOutcome, Error> {
        let _ = declaration;
        Err(Error::namespace_loading(namespace))
    }

    /// Writes the root anew from memory, with a new incarnation, where it is missing or damaged.
    ///
    /// # Errors
    /// `unavailable` (503) if memory holds no complete state; the failures of a write.
    pub async fn repair(&self, namespace: &Namespace) -> Result<Version, Error> {
        Err(Error::namespace_loading(namespace))
    }

    /// Writes any number of entries, visible by one swap or not at all.
    ///
    /// # Errors
    /// Those of the first mutation that is refused, and the failures of a write; then nothing has changed.
    pub async fn bulk(
        &self,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        drop(mutations);
        Err(Error::namespace_loading(namespace))
    }

    /// The state of a configured KvNamespace's data.
    #[must_use]
    pub fn report(&self, namespace: &Namespace) -> Option<Report> {
        Some(self.space(namespace)?.report(self.clock.now()))
    }

    /// Tells whose health, declaration, deletion policy or incarnation has changed. Counters move without notice:
    /// they are read by a timer. A listener that lags has to look at every KvNamespace.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Namespace> {
        self.changes.subscribe()
    }

    /// Whether this replica folds, checkpoints and collects: the holder of the lease does. Others only fold when
    /// they meet a full root.
    pub fn set_maintainer(&self, on: bool) {
        let _ = on;
    }

    /// The configured KvNamespaces whose data are still to be loaded: `/readyz` waits until there are none, once,
    /// after the KvNamespace objects have been listed.
    #[must_use]
    pub fn loading(&self) -> Vec<Namespace> {
        let spaces = self.spaces.read();
        spaces.values().filter(|space| !space.is_settled()).map(|space| space.namespace.clone()).collect()
    }

    /// How far this process's clock is ahead of the store's, in milliseconds: past 2 s it is a condition, and
    /// checkpoints stop.
    #[must_use]
    pub fn clock_skew_ms(&self) -> Option<i64> {
        self.store.clock_skew_ms()
    }

    pub(super) fn space(&self, namespace: &Namespace) -> Option<Arc<Space>> {
        self.spaces.read().get(namespace).cloned()
    }

    pub(super) fn announce(&self, namespace: &Namespace) {
        // Nobody listening is no loss: a listener starts by looking at everything.
        let _ = self.changes.send(namespace.clone());
    }
}
