//! What all KvNamespaces of a history share: the store, the operator processes on it, and the KvNamespace objects
//! that these look at.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nearkv::{Clock, Error, Namespace, Random};
use nearkv_origin::{
    Catalog, InitialState, NamespaceConfig, Origin, PacingSettings, Settings,
    store::simulated::{Faults, Link, Simulated},
};
use parking_lot::Mutex;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{clock::WrongClock, plan::Plan};

/// A budget that a history with long values uses up.
const TIGHT_BUDGET: u64 = 768 * 1024;
/// A pace that a history uses up now and then.
const TIGHT_PACE: PacingSettings = PacingSettings { bytes_per_second: 64 * 1024, bytes_burst: 512 * 1024 };

/// How long a process that has ended by itself takes to come back.
const RESTART: Duration = Duration::from_secs(1);

/// Everything that the tasks of a history share.
pub(crate) struct Cluster {
    pub(crate) plan: Plan,
    pub(crate) store: Simulated,
    replicas: Mutex<Vec<Option<Arc<Replica>>>>,
    pub(crate) objects: Mutex<BTreeMap<Namespace, KvNamespace>>,
    numbers: AtomicU64,
    started: AtomicU64,
    /// Lines of the history, for a replay.
    pub(crate) verbose: bool,
}

/// A KvNamespace object as the API server has it.
#[derive(Clone)]
pub(crate) struct KvNamespace {
    pub(crate) config: Option<NamespaceConfig>,
    pub(crate) initial_state: InitialState,
    pub(crate) lives: u64,
    /// Of its declaration.
    pub(crate) generation: i64,
    /// When it was last created or deleted.
    pub(crate) changed: Instant,
}

/// One operator process, from its start to its crash.
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) store: Simulated,
    pub(crate) clock: Arc<WrongClock>,
    pub(crate) origin: Arc<Origin>,
    task: AbortHandle,
    pub(crate) started: Instant,
    /// How often it stood still, and whether it does.
    stops: AtomicU64,
    stopped: AtomicBool,
    /// Cancelled at the crash: whoever waits for an answer will get none.
    pub(crate) dead: CancellationToken,
    /// The newest state that this process has shown in a finished answer, by incarnation.
    pub(crate) shown: Mutex<BTreeMap<String, u64>>,
}

impl Replica {
    pub(crate) fn set_link(&self, link: Link) {
        self.stops.fetch_add(u64::from(link == Link::Frozen), Ordering::Relaxed);
        self.stopped.store(link == Link::Frozen, Ordering::Relaxed);
        self.store.set_link(link);
    }

    /// Whether it stands still.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// How often it has stood still.
    pub(crate) fn stops(&self) -> u64 {
        self.stops.load(Ordering::Relaxed)
    }
}

/// The live look at the KvNamespace objects.
struct Look(Arc<Cluster>);

#[async_trait]
impl Catalog for Look {
    async fn look(&self, namespace: &Namespace) -> Result<Option<NamespaceConfig>, Error> {
        Ok(self.0.config(namespace))
    }
}

impl Cluster {
    pub(crate) fn new(plan: Plan, verbose: bool) -> Arc<Self> {
        Arc::new(Self {
            store: Simulated::new(plan.seed),
            replicas: Mutex::new((0..plan.replicas).map(|_| None).collect()),
            plan,
            objects: Mutex::default(),
            numbers: AtomicU64::new(1),
            started: AtomicU64::new(0),
            verbose,
        })
    }

    /// A number that no other value of this history has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if self.verbose {
            let at = self.store.world().clock().now().0 - 1_800_000_000_000;
            println!("{:>9.3} {}", at as f64 / 1000.0, line());
        }
    }

    pub(crate) fn config(&self, namespace: &Namespace) -> Option<NamespaceConfig> {
        self.objects.lock().get(namespace)?.config.clone()
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
        let clock = Arc::new(WrongClock::new(self.store.world().clock()));
        let (look, random) = (Arc::new(Look(Arc::clone(self))), Arc::new(Random::seeded(seed)));
        let (shared, settings) = (Arc::new(store.clone()), self.settings());
        let origin = Origin::new(shared, look, Arc::clone(&clock) as Arc<dyn Clock>, random, settings);
        let running = tokio::spawn(Arc::clone(&origin).run(CancellationToken::new()));
        let task = running.abort_handle();
        let configs: Vec<_> =
            self.objects.lock().values().filter_map(|object| object.config.clone()).collect();
        for config in configs {
            origin.configure(config);
        }
        self.say(|| format!("start {name}"));
        let replica = Replica {
            name,
            store,
            clock,
            origin,
            task,
            started: Instant::now(),
            stops: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            dead: CancellationToken::new(),
            shown: Mutex::default(),
        };
        let replica = Arc::new(replica);
        self.replicas.lock()[index] = Some(Arc::clone(&replica));
        // A process whose main task panics ends, and is started again.
        let cluster = Arc::clone(self);
        tokio::spawn(async move {
            if running.await.is_err_and(|error| error.is_panic()) && !replica.dead.is_cancelled() {
                cluster.crash(index);
                sleep(RESTART).await;
                cluster.start(index, cluster.plan.faults.clone());
            }
        });
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

    /// A budget that stays used up must be so by what is no garbage.
    ///
    /// # Errors
    /// Less than half of it is stored.
    pub(crate) fn is_full_of_the_living(&self) -> Result<(), String> {
        let stored: u64 = self.store.world().objects().iter().map(|object| object.content.size()).sum();
        if stored * 2 >= TIGHT_BUDGET {
            return Ok(());
        }
        Err(format!("the budget of {TIGHT_BUDGET} bytes stays used up by {stored}"))
    }

    /// Whether a process began this short a while ago.
    pub(crate) fn is_young(replica: &Replica) -> bool {
        const YOUNG: Duration = Duration::from_secs(60);
        replica.started.elapsed() < YOUNG
    }

    fn settings(&self) -> Settings {
        let usual = Settings::default();
        Settings {
            grace: self.plan.grace,
            write_deadline: self.plan.write_deadline,
            pacing: self.plan.tight_pace.then_some(TIGHT_PACE),
            budget_bytes: if self.plan.tight_budget { TIGHT_BUDGET } else { usual.budget_bytes },
            ..usual
        }
    }
}
