//! One KvNamespace of a history: its object and its lives, the controllers that tend it, and the ledger that listens
//! to the store.

use std::{sync::Arc, time::Duration};

use nearkv::{Clock, Namespace, Random};
use nearkv_origin::{
    CacheConfig, Declaration, DeletionPolicy, InitialState, NamespaceConfig, Origin, Quota,
    store::simulated::{Change, Simulated},
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::{
    cluster::{Cluster, KvNamespace, Replica},
    errors::Circumstances,
    excuse::Excuse,
    ledger::{Cause, Ledger},
    plan::Plan,
};

/// A KvNamespace, and whom it is shared with.
pub(crate) struct Sim {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) store: Simulated,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) namespace: Namespace,
    pub(crate) cluster: Arc<Cluster>,
}

impl Sim {
    pub(crate) fn new(cluster: &Arc<Cluster>, number: u64) -> Arc<Self> {
        let (plan, store) = (cluster.plan.clone(), cluster.store.clone());
        let namespace: Namespace = format!("team-a/settings-{number}").parse().unwrap();
        let clock = store.world().clock();
        let ledger =
            Ledger::new(namespace.clone(), Arc::new(move || clock.now()), plan.retain && !plan.changes);
        let ledger = Arc::new(Mutex::new(ledger));
        let listening = Arc::clone(&ledger);
        store.world().observe(move |change: &Change| listening.lock().take_in(change));
        let object = KvNamespace {
            config: None,
            initial_state: InitialState::New,
            lives: 0,
            generation: 0,
            changed: Instant::now(),
        };
        cluster.objects.lock().insert(namespace.clone(), object);
        Arc::new(Self {
            random: Random::seeded(plan.seed.wrapping_add(1 + number * 7919)),
            plan,
            store,
            ledger,
            namespace,
            cluster: Arc::clone(cluster),
        })
    }

    /// A number that no other value of this history has.
    pub(crate) fn number(&self) -> u64 {
        self.cluster.number()
    }

    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        self.cluster.say(line);
    }

    pub(crate) fn excuse(&self, excuse: Excuse) {
        self.ledger.lock().excuses.add(excuse);
    }

    /// Keeps a finding.
    pub(crate) fn blame(&self, wrong: String) {
        self.ledger.lock().violations.push(wrong);
    }

    pub(crate) fn config(&self) -> Option<NamespaceConfig> {
        self.cluster.config(&self.namespace)
    }

    /// By what an error that `replica` answers is judged.
    pub(crate) fn circumstances(&self, replica: &Replica) -> Circumstances<'_> {
        const YOUNG: Duration = Duration::from_secs(60);
        let (changed, gone) = self.with_object(|object| (object.changed, object.config.is_none()));
        let ledger = self.ledger.lock();
        Circumstances {
            plan: &self.plan,
            young: gone || changed.elapsed() < YOUNG || Cluster::is_young(replica),
            hurt: ledger.hurt,
            reborn: ledger.lives.len() > 1,
        }
    }

    fn with_object<T>(&self, work: impl FnOnce(&mut KvNamespace) -> T) -> T {
        work(self.cluster.objects.lock().get_mut(&self.namespace).unwrap())
    }

    /// Does something to the store that is no process's doing.
    pub(crate) fn by<T>(&self, cause: Cause, work: impl FnOnce() -> T) -> T {
        self.ledger.lock().cause = cause;
        let done = work();
        self.ledger.lock().cause = Cause::Client;
        done
    }

    /// Creates the KvNamespace object; each process hears of it at some time.
    pub(crate) fn create(self: &Arc<Self>) {
        let retain = self.plan.retain;
        let deletion_policy = if retain { DeletionPolicy::Retain } else { DeletionPolicy::Delete };
        let quota = Quota { max_keys: self.plan.most_keys, max_bytes: self.plan.most_bytes };
        let config = self.with_object(|object| {
            object.lives += 1;
            object.initial_state = InitialState::New;
            object.generation = 0;
            object.changed = Instant::now();
            let config = NamespaceConfig {
                namespace: self.namespace.clone(),
                uid: format!("uid-{}-{}", self.namespace.name(), object.lives),
                cache: CacheConfig::default(),
                min_ttl: Duration::from_secs(1),
                quota,
                deletion_policy,
            };
            object.config = Some(config.clone());
            config
        });
        self.ledger.lock().quotas.set(quota);
        self.say(|| format!("create {}", config.uid));
        self.tell_of_config();
    }

    /// Changes the KvNamespace object.
    pub(crate) fn change(self: &Arc<Self>, change: impl FnOnce(&mut NamespaceConfig)) {
        let changed = self.with_object(|object| {
            let config = object.config.as_mut()?;
            change(config);
            Some(config.clone())
        });
        let Some(config) = changed else { return };
        self.say(|| format!("change {}: {:?}, {:?}", config.uid, config.quota, config.deletion_policy));
        self.ledger.lock().quotas.set(config.quota);
        self.tell_of_config();
    }

    fn tell_of_config(self: &Arc<Self>) {
        let sim = Arc::clone(self);
        self.tell(move |origin| {
            // A watch shows the newest state, however late.
            if let Some(config) = sim.config() {
                origin.configure(config);
            }
        });
    }

    /// Deletes the KvNamespace object; what it owns goes some time later.
    pub(crate) fn delete(self: &Arc<Self>) {
        let deleted = self.with_object(|object| {
            object.changed = Instant::now();
            object.config.take()
        });
        let Some(config) = deleted else { return };
        self.say(|| format!("delete {}", config.uid));
        self.tell(move |origin| origin.forget(&config.namespace, &config.uid));
    }

    /// A declaration of the KvNamespace object with entries of its own, of the next generation.
    pub(crate) fn declaration(&self, entries: Vec<nearkv_origin::DeclaredEntry>) -> Option<Declaration> {
        let (uid, generation) = self.with_object(|object| {
            let uid = object.config.as_ref()?.uid.clone();
            object.generation += 1;
            Some((uid, object.generation))
        })?;
        Some(Declaration { uid, generation, entries, complete: true })
    }

    fn tell(self: &Arc<Self>, what: impl Fn(&Origin) + Clone + Send + 'static) {
        for replica in self.cluster.alive() {
            let (what, delay) = (what.clone(), self.random.jitter(Duration::from_secs(2)));
            tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = replica.dead.cancelled() => {}
                    () = sleep(delay) => what(&replica.origin),
                }
            });
        }
    }

    /// What controllers and the garbage collector do all the time.
    pub(crate) async fn govern(self: Arc<Self>) {
        loop {
            sleep(Duration::from_millis(500)).await;
            let uid = self.config().map(|config| config.uid);
            for life in 1..=self.with_object(|object| object.lives) {
                let gone = format!("uid-{}-{life}", self.namespace.name());
                if uid.as_ref() != Some(&gone) && self.random.below(10) == 0 {
                    self.by(Cause::OwnersGone, || self.store.world().collect_owned(&gone));
                }
            }
            let alive = self.cluster.alive();
            let Some(config) = self.config() else { continue };
            if alive.is_empty() {
                continue;
            }
            // The watch of the KvNamespace objects brings everybody up to date in the end.
            for replica in &alive {
                if self.random.below(10) == 0 {
                    replica.origin.configure(config.clone());
                }
            }
            let initial_state = self.with_object(|object| object.initial_state);
            let replica = &alive[self.random.below(alive.len() as u64) as usize];
            if initial_state == InitialState::New || self.random.below(20) == 0 {
                replica.origin.configure(config.clone());
                let born = tokio::select! {
                    biased;
                    () = replica.dead.cancelled() => continue,
                    () = sleep(Duration::from_secs(20)) => continue,
                    // A task of its own, as a controller's round is: it may panic.
                    born = initialise(replica, &self.namespace, initial_state) => born,
                };
                self.with_object(|object| {
                    if born && object.config.as_ref().is_some_and(|now| now.uid == config.uid) {
                        object.initial_state = InitialState::Existing;
                    }
                });
            }
        }
    }
}

/// Whether the data are there now.
async fn initialise(replica: &Replica, namespace: &Namespace, initial_state: InitialState) -> bool {
    let (origin, namespace) = (Arc::clone(&replica.origin), namespace.clone());
    let born = tokio::spawn(async move { origin.initialise(&namespace, initial_state).await }).await;
    born.is_ok_and(|born| born.is_ok())
}
