//! One history's world: the store, the operator processes on it, the KvNamespace object and its lives, and
//! the ledger that listens to the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nearkv::{Clock, Error, Namespace, Random, UnixMillis, VirtualClock};
use nearkv_origin::{
    Birth, CacheConfig, Catalog, DeletionPolicy, NamespaceConfig, Origin, Quota, Settings,
    store::simulated::{Change, Faults, Simulated},
};
use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{ledger::Ledger, plan::Plan};

/// Everything that the tasks of a history share.
pub(crate) struct Sim {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) store: Simulated,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) namespace: Namespace,
    replicas: Mutex<Vec<Option<Arc<Replica>>>>,
    object: Mutex<KvNamespace>,
    numbers: AtomicU64,
    started: AtomicU64,
    /// Lines of the history, for a replay.
    pub(crate) verbose: bool,
}

/// The KvNamespace object as the API server has it.
#[derive(Clone)]
struct KvNamespace {
    config: Option<NamespaceConfig>,
    birth: Birth,
    lives: u64,
}

/// One operator process, from its start to its crash.
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) store: Simulated,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) origin: Arc<Origin>,
    task: JoinHandle<()>,
    /// Cancelled at the crash: whoever waits for an answer will get none.
    pub(crate) dead: CancellationToken,
    /// The newest state that this process has shown in a finished answer, by incarnation.
    pub(crate) shown: Mutex<std::collections::BTreeMap<String, u64>>,
}

/// The live look at the KvNamespace object.
struct Look(Arc<Sim>);

#[async_trait]
impl Catalog for Look {
    async fn look(&self, namespace: &Namespace) -> Result<Option<NamespaceConfig>, Error> {
        Ok(self.0.config().filter(|config| config.namespace == *namespace))
    }
}

impl Sim {
    pub(crate) fn new(plan: Plan, verbose: bool) -> Arc<Self> {
        let store = Simulated::new(plan.seed);
        let namespace: Namespace = "team-a/settings".parse().unwrap();
        let clock = store.world().clock();
        let ledger = Ledger::new(namespace.clone(), Arc::new(move || clock.now()));
        let ledger = Arc::new(Mutex::new(ledger));
        let listening = Arc::clone(&ledger);
        store.world().observe(move |change: &Change| listening.lock().take_in(change));
        let replicas = (0..plan.replicas).map(|_| None).collect();
        Arc::new(Self {
            random: Random::seeded(plan.seed.wrapping_add(1)),
            plan,
            store,
            ledger,
            namespace,
            replicas: Mutex::new(replicas),
            object: Mutex::new(KvNamespace { config: None, birth: Birth::Expected, lives: 0 }),
            numbers: AtomicU64::new(1),
            started: AtomicU64::new(0),
            verbose,
        })
    }

    /// A number that no other value of this history has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// The store's time, which is right by definition.
    pub(crate) fn now(&self) -> UnixMillis {
        self.store.world().clock().now()
    }

    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            let at = self.now().0 - 1_800_000_000_000;
            println!("{:>9.3} {}", at as f64 / 1000.0, line());
        }
    }

    pub(crate) fn config(&self) -> Option<NamespaceConfig> {
        self.object.lock().config.clone()
    }

    /// Does something to the store that is no client's doing.
    pub(crate) fn by_hand<T>(&self, work: impl FnOnce() -> T) -> T {
        self.ledger.lock().by_hand = true;
        let done = work();
        self.ledger.lock().by_hand = false;
        done
    }

    pub(crate) fn replica(&self, index: usize) -> Option<Arc<Replica>> {
        self.replicas.lock()[index].clone()
    }

    pub(crate) fn alive(&self) -> Vec<Arc<Replica>> {
        self.replicas.lock().iter().flatten().cloned().collect()
    }

    /// Starts the process in a slot, if none runs there.
    pub(crate) fn start(self: &Arc<Self>, index: usize, faults: Faults) {
        if self.replicas.lock()[index].is_some() {
            return;
        }
        let seed =
            self.plan.seed ^ (self.started.fetch_add(1, Ordering::Relaxed) + 1).wrapping_mul(0x5851_f42d);
        let name = format!("{index}#{}", self.started.load(Ordering::Relaxed));
        let store = self.store.client();
        store.set_faults(faults);
        let clock = Arc::new(VirtualClock::starting_at(self.store.world().clock().now()));
        let (look, random) = (Arc::new(Look(Arc::clone(self))), Arc::new(Random::seeded(seed)));
        let (shared, settings) = (Arc::new(store.clone()), self.settings());
        let origin = Origin::new(shared, look, Arc::clone(&clock) as Arc<dyn Clock>, random, settings);
        let task = tokio::spawn(Arc::clone(&origin).run(CancellationToken::new()));
        if let Some(config) = self.config() {
            origin.configure(config);
        }
        self.say(|| format!("start {name}"));
        let replica = Replica {
            name,
            store,
            clock,
            origin,
            task,
            dead: CancellationToken::new(),
            shown: Mutex::default(),
        };
        self.replicas.lock()[index] = Some(Arc::new(replica));
    }

    /// Ends the process in a slot at whatever it is doing.
    pub(crate) fn crash(&self, index: usize) {
        if let Some(replica) = self.replicas.lock()[index].take() {
            self.say(|| format!("crash {}", replica.name));
            replica.task.abort();
            replica.dead.cancel();
        }
    }

    /// Ends all processes: they hold this, and this holds them.
    pub(crate) fn end(&self) {
        (0..self.plan.replicas).for_each(|slot| self.crash(slot));
    }

    fn settings(&self) -> Settings {
        Settings {
            grace: self.plan.grace,
            write_deadline: self.plan.write_deadline,
            pacing: None,
            ..Settings::default()
        }
    }

    /// Creates the KvNamespace object; each process hears of it at some time.
    pub(crate) fn create(self: &Arc<Self>) {
        let config = {
            let mut object = self.object.lock();
            object.lives += 1;
            object.birth = Birth::Expected;
            let config = NamespaceConfig {
                namespace: self.namespace.clone(),
                uid: format!("uid-{}", object.lives),
                cache: CacheConfig::default(),
                min_ttl: Duration::from_secs(1),
                quota: Quota { max_keys: self.plan.most_keys, ..Quota::default() },
                deletion_policy: if self.plan.retain {
                    DeletionPolicy::Retain
                } else {
                    DeletionPolicy::Delete
                },
            };
            object.config = Some(config.clone());
            config
        };
        self.say(|| format!("create {}", config.uid));
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
        let Some(config) = self.object.lock().config.take() else { return };
        self.say(|| format!("delete {}", config.uid));
        self.tell(move |origin| origin.forget(&config.namespace, &config.uid));
    }

    fn tell(self: &Arc<Self>, what: impl Fn(&Origin) + Clone + Send + 'static) {
        for replica in self.alive() {
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
            for life in 1..=self.object.lock().lives {
                let gone = format!("uid-{life}");
                if uid.as_ref() != Some(&gone) && self.random.below(10) == 0 {
                    self.by_hand(|| self.store.world().collect_owned(&gone));
                }
            }
            let alive = self.alive();
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
            let birth = self.object.lock().birth;
            let replica = &alive[self.random.below(alive.len() as u64) as usize];
            if birth == Birth::Expected || self.random.below(20) == 0 {
                replica.origin.configure(config.clone());
                let born = tokio::select! {
                    biased;
                    () = replica.dead.cancelled() => continue,
                    () = sleep(Duration::from_secs(20)) => continue,
                    born = replica.origin.initialise(&self.namespace, birth) => born,
                };
                let mut object = self.object.lock();
                if born.is_ok() && object.config.as_ref().is_some_and(|now| now.uid == config.uid) {
                    object.birth = Birth::Past;
                }
            }
        }
    }
}
