//! [`Origin`]: the face of the engine towards the controller, the HTTP servers and the command line. What is
//! behind it is one space per KvNamespace and one follower of all roots.

use std::{collections::HashMap, sync::Arc};

use nearkv::{Clock, Error, Namespace, Random, Version};
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Notify, Semaphore, broadcast},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    Birth, Catalog, Declaration, DeclareOutcome, NamespaceConfig, Report, Settings, context::Context,
    settings::LOOKS_AT_ONCE, space::Space,
};
use crate::store::ObjectStore;

/// The origin: all entries of all configured KvNamespaces in memory, in key order, and their data in an object
/// store (design §6). Any number of origins may stand on the same store.
pub struct Origin {
    pub(super) context: Arc<Context>,
    catalog: Arc<dyn Catalog>,
    /// Live looks for unknown KvNamespaces take turns: many requests for one are one look.
    looks: Semaphore,
    spaces: RwLock<HashMap<Namespace, Arc<Space>>>,
    /// Spaces whose tasks [`Origin::run`] has not started yet.
    unstarted: Mutex<Vec<Arc<Space>>>,
    start: Notify,
}

impl Origin {
    /// An origin that knows no KvNamespace yet. Nothing is followed or committed before [`Origin::run`] is polled.
    #[must_use]
    pub fn new(
        store: Arc<dyn ObjectStore>,
        catalog: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
        random: Arc<Random>,
        settings: Settings,
    ) -> Arc<Self> {
        Arc::new(Self {
            context: Arc::new(Context::new(store, clock, random, settings)),
            catalog,
            looks: Semaphore::new(LOOKS_AT_ONCE),
            spaces: RwLock::default(),
            unstarted: Mutex::default(),
            start: Notify::new(),
        })
    }

    /// Follows the roots of all KvNamespaces, commits what is written, and keeps the proof of being current,
    /// until `shutdown`; then finishes the commits in flight and joins its tasks.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut tasks = JoinSet::new();
        let follow = self.follow();
        tokio::pin!(follow);
        loop {
            for space in std::mem::take(&mut *self.unstarted.lock()) {
                let shutdown = shutdown.clone();
                tasks.spawn(space.live(shutdown));
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.start.notified() => {}
                () = &mut follow => {}
                Some(ended) = tasks.join_next() => log_if_panicked(ended),
            }
        }
        while let Some(ended) = tasks.join_next().await {
            log_if_panicked(ended);
        }
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
        let namespace = config.namespace.clone();
        let space = Space::new(Arc::clone(&self.context), config);
        spaces.insert(namespace.clone(), Arc::clone(&space));
        drop(spaces);
        self.unstarted.lock().push(space);
        self.start.notify_one();
        self.context.announce(&namespace);
    }

    /// Drops a KvNamespace from memory because its object, in the life that `uid` names, is gone.
    pub fn forget(&self, namespace: &Namespace, uid: &str) {
        let mut spaces = self.spaces.write();
        if spaces.get(namespace).is_some_and(|space| space.config().uid == uid)
            && let Some(space) = spaces.remove(namespace)
        {
            space.close();
            self.context.budget.forget(namespace);
            self.context.announce(namespace);
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
        self.known(namespace)?.initialise(birth).await
    }

    /// Commits a declared set: its entries become declared, those of the set before that are not in it are
    /// deleted. Without any write to the store if it is in force already.
    ///
    /// # Errors
    /// `request-invalid` (400) for an older generation than the one in force, or for another life of the
    /// KvNamespace; limits, quota and the failures of a write.
    pub async fn declare(
        &self,
        namespace: &Namespace,
        declaration: Declaration,
    ) -> Result<DeclareOutcome, Error> {
        self.known(namespace)?.declare(declaration).await
    }

    /// Writes the root anew from memory, with a new incarnation, where it is missing or damaged.
    ///
    /// # Errors
    /// `unavailable` (503) if memory holds no complete state; the failures of a write.
    pub async fn repair(&self, namespace: &Namespace) -> Result<Version, Error> {
        self.known(namespace)?.repair().await
    }

    /// The state of a configured KvNamespace's data.
    #[must_use]
    pub fn report(&self, namespace: &Namespace) -> Option<Report> {
        Some(self.space(namespace)?.report())
    }

    /// Tells whose health, declaration, deletion policy or incarnation has changed. Counters move without notice:
    /// they are read by a timer. A listener that lags has to look at every KvNamespace.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Namespace> {
        self.context.changes.subscribe()
    }

    /// Whether this replica folds, checkpoints and collects: the holder of the lease does. Others only fold when
    /// they meet a full root.
    pub fn set_maintainer(&self, on: bool) {
        self.context.set_maintainer(on);
    }

    /// The configured KvNamespaces whose data are still to be looked for: `/readyz` waits until there are none,
    /// once, after the KvNamespace objects have been listed.
    #[must_use]
    pub fn loading(&self) -> Vec<Namespace> {
        let spaces = self.spaces.read();
        spaces.values().filter(|space| !space.is_settled()).map(|space| space.namespace.clone()).collect()
    }

    /// How far this process's clock is ahead of the store's, in milliseconds: past 2 s it is a condition, and
    /// checkpoints stop.
    #[must_use]
    pub fn clock_skew_ms(&self) -> Option<i64> {
        self.context.store.clock_skew_ms()
    }

    pub(super) fn space(&self, namespace: &Namespace) -> Option<Arc<Space>> {
        self.spaces.read().get(namespace).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Space>> {
        self.spaces.read().values().cloned().collect()
    }

    fn known(&self, namespace: &Namespace) -> Result<Arc<Space>, Error> {
        self.space(namespace).ok_or_else(|| Error::namespace_missing(namespace))
    }

    /// The space of a KvNamespace that a client names: a live look before it is told that there is none.
    pub(super) async fn locate(&self, namespace: &Namespace) -> Result<Arc<Space>, Error> {
        if let Some(space) = self.space(namespace) {
            return Ok(space);
        }
        let Ok(_turn) = self.looks.acquire().await else { return Err(Error::namespace_loading(namespace)) };
        if let Some(space) = self.space(namespace) {
            return Ok(space);
        }
        match self.catalog.look(namespace).await? {
            Some(config) => self.configure(config),
            None => return Err(Error::namespace_missing(namespace)),
        }
        let space = self.known(namespace)?;
        // Whatever this shows, the operation itself says it in its own words.
        let _ = space.refresh().await;
        Ok(space)
    }
}

fn log_if_panicked(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task of the origin has failed");
    }
}
