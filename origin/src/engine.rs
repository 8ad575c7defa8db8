//! [`Origin`]: the face of the engine towards the controller, the HTTP servers and the command line. What is
//! behind it is one `instance` per KvNamespace and one watch of all roots.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nearkv::{Clock, Error, Namespace, Random, Version};
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Notify, Semaphore, broadcast},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Catalog, Declaration, DeclareOutcome, InitialState, NamespaceConfig, OnLoss, Repair, Report, Settings,
    ended::Ended,
    follow::{
        follower::Follower,
        root_watch::{Followers, RootWatches},
    },
    instance::{Instance, Tasks},
    limits::pacing::Pace,
    settings::{LOAD_PATIENCE, LOOKS_AT_ONCE, RESTART_PAUSE},
    state::context::Context,
    store::ObjectStore,
    upkeep::{
        inventory::{self, Keepers},
        keeper::Keeper,
    },
};

/// The origin: all entries of all configured KvNamespaces in memory, in key order, and their data in an object
/// store (design §6). Any number of origins may stand on the same store.
pub struct Origin {
    pub(crate) context: Arc<Context>,
    catalog: Arc<dyn Catalog>,
    /// Live looks for unknown KvNamespaces take turns: many requests for one are one look.
    looks: Semaphore,
    /// In order, so that one seed of a simulated history always asks the store in the same order.
    instances: RwLock<BTreeMap<Namespace, Arc<Instance>>>,
    ended: Ended,
    /// Instances whose tasks [`Origin::run`] has not started yet, and how long it waits with them.
    unstarted: Mutex<Vec<(Arc<Instance>, Duration)>>,
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
            instances: RwLock::default(),
            ended: Ended::default(),
            unstarted: Mutex::default(),
            start: Notify::new(),
        })
    }

    /// Follows the roots of all KvNamespaces, commits what is written, and keeps the proof of being current,
    /// until `shutdown`; then finishes the commits in flight and joins its tasks.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut tasks = Tasks::default();
        let watches = RootWatches::new(&self.context, &*self);
        let follow = watches.run();
        let inventory = inventory::run(&self.context, &*self);
        tokio::pin!(follow, inventory);
        loop {
            for (instance, pause) in std::mem::take(&mut *self.unstarted.lock()) {
                tasks.start(instance, pause, &shutdown);
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.start.notified() => {}
                () = &mut follow => {}
                Some(failed) = tasks.failed() => self.load_anew(&failed),
                () = &mut inventory => {}
            }
        }
        while tasks.failed().await.is_some() {}
        watches.farewell().await;
    }

    /// Takes a fresh instance in the place of one whose tasks have panicked: what it had in memory may be half done, and
    /// without its tasks it would neither follow nor commit. What is acknowledged is in the store.
    fn load_anew(&self, failed: &Arc<Instance>) {
        self.context.counters.failures.inc();
        failed.fail();
        let namespace = &failed.space.namespace;
        let mut instances = self.instances.write();
        if !instances.get(namespace).is_some_and(|present| Arc::ptr_eq(present, failed)) {
            return;
        }
        let config = NamespaceConfig::clone(&failed.space.config());
        let fresh = Instance::new(Arc::clone(&self.context), config);
        instances.insert(namespace.clone(), Arc::clone(&fresh));
        drop(instances);
        self.begin(fresh, RESTART_PAUSE);
    }

    /// Has [`Origin::run`] start the tasks of an instance.
    fn begin(&self, instance: Arc<Instance>, pause: Duration) {
        let namespace = instance.space.namespace.clone();
        self.unstarted.lock().push((instance, pause));
        self.start.notify_one();
        self.context.announce(&namespace);
    }

    /// Takes a KvNamespace, or what has changed of it, from its object. Idempotent. Its data are loaded in the
    /// background; another `uid` drops what was in memory. Answers whether the configuration is in force: an object that
    /// [`Origin::forget`] has named is gone for good, so a round of the controller or a live look that speaks of it late
    /// changes nothing.
    pub fn configure(&self, config: NamespaceConfig) -> bool {
        let mut instances = self.instances.write();
        // Under the lock that `forget` takes, so that the two cannot cross.
        if self.ended.contains(&config.uid) {
            return false;
        }
        self.context.configured.fetch_add(1, Ordering::Release);
        if let Some(instance) = instances.get(&config.namespace) {
            if instance.reconfigure(&config) {
                return true;
            }
            instance.close();
        }
        let instance = Instance::new(Arc::clone(&self.context), config);
        instances.insert(instance.space.namespace.clone(), Arc::clone(&instance));
        drop(instances);
        self.begin(instance, Duration::ZERO);
        true
    }

    /// Drops a KvNamespace from memory because its object with this `uid` is gone; no configuration with that `uid` is
    /// taken from now on.
    pub fn forget(&self, namespace: &Namespace, uid: &str) {
        let mut instances = self.instances.write();
        self.ended.add(uid);
        if instances.get(namespace).is_some_and(|instance| instance.space.config().uid == uid)
            && let Some(instance) = instances.remove(namespace)
        {
            instance.close();
            self.context.deleted.notify_one();
            self.context.announce(namespace);
        }
    }

    /// Creates the root or adopts a retained one, and answers the state. For the holder of the lease; a no-op if
    /// there is a root of this KvNamespace already.
    ///
    /// # Errors
    /// `namespace-damaged` (503) if there should be a root and is none ([`InitialState::Existing`]), or if what is there is
    /// not to be trusted; `namespace-loading` (503) while an earlier KvNamespace's root waits for its deletion;
    /// what the store refuses.
    pub async fn initialise(
        &self,
        namespace: &Namespace,
        initial_state: InitialState,
    ) -> Result<Version, Error> {
        self.known(namespace)?.follower.initialise(initial_state).await
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
        self.known(namespace)?.committer.declare(declaration).await
    }

    /// Writes the root anew, with a new incarnation, where it is missing or damaged or a part is lost: upon the root that is
    /// there, as far as it can be read, and from memory. Before it drops anything it waits for a minute, or up to three
    /// where there are many objects, so that another replica can write again what it still holds.
    ///
    /// # Errors
    /// `unavailable` (503) if memory holds no state; `namespace-damaged` (503) if the root is another's; the failures of a
    /// write.
    pub async fn repair(&self, namespace: &Namespace, on_loss: OnLoss) -> Result<Repair, Error> {
        self.known(namespace)?.follower.repair(on_loss).await
    }

    /// The state of a configured KvNamespace's data.
    #[must_use]
    pub fn report(&self, namespace: &Namespace) -> Option<Report> {
        Some(self.instance(namespace)?.space.report())
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
        let unsettled = |instance: &Arc<Instance>| {
            (!instance.space.is_settled()).then(|| instance.space.namespace.clone())
        };
        self.instances.read().values().filter_map(unsettled).collect()
    }

    /// How far this machine's clock is ahead of the store's, in milliseconds. Nothing is judged by this machine's clock
    /// where the store has one; past 2 s an alert says so.
    #[must_use]
    pub fn clock_skew_ms(&self) -> Option<i64> {
        self.context.clock_skew_ms()
    }

    /// What this process may send to the store: to be divided among the operators of an installation, and for whoever
    /// writes to the same store beside the engine.
    #[must_use]
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.context.pace)
    }

    pub(crate) fn instance(&self, namespace: &Namespace) -> Option<Arc<Instance>> {
        self.instances.read().get(namespace).cloned()
    }

    pub(crate) fn instances(&self) -> Vec<Arc<Instance>> {
        self.instances.read().values().cloned().collect()
    }

    fn known(&self, namespace: &Namespace) -> Result<Arc<Instance>, Error> {
        self.instance(namespace).ok_or_else(|| Error::namespace_missing(namespace))
    }

    /// The instance of a KvNamespace that a client names: a live look before it is told that there is none.
    pub(crate) async fn locate(&self, namespace: &Namespace) -> Result<Arc<Instance>, Error> {
        if let Some(instance) = self.instance(namespace) {
            return Ok(instance);
        }
        let Ok(_turn) = self.looks.acquire().await else { return Err(Error::namespace_loading(namespace)) };
        if let Some(instance) = self.instance(namespace) {
            return Ok(instance);
        }
        match self.catalog.look(namespace).await? {
            // The watch has told of it meanwhile, and knows better than a look that began before.
            Some(_) if self.instance(namespace).is_some() => {}
            Some(config) => {
                self.configure(config);
            }
            None => return Err(Error::namespace_missing(namespace)),
        }
        let instance = self.known(namespace)?;
        // Whatever this shows, the operation itself says it in its own words.
        let _ = timeout(LOAD_PATIENCE, instance.follower.refresh()).await;
        Ok(instance)
    }
}

impl Followers for Origin {
    fn all(&self) -> Vec<Arc<Follower>> {
        self.instances.read().values().map(|instance| Arc::clone(&instance.follower)).collect()
    }

    fn of(&self, namespace: &Namespace) -> Option<Arc<Follower>> {
        Some(Arc::clone(&self.instance(namespace)?.follower))
    }
}

impl Keepers for Origin {
    fn all(&self) -> Vec<Arc<Keeper>> {
        self.instances.read().values().map(|instance| Arc::clone(&instance.keeper)).collect()
    }

    fn serves(&self, namespace: &Namespace) -> bool {
        self.instances.read().contains_key(namespace)
    }
}
