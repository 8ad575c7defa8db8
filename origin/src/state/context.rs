//! What all KvNamespaces of an origin share: the store, time, randomness, and who is to be told.

use std::sync::{Arc, atomic::AtomicU64};

use nearkv::{Clock, Namespace, Random};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, watch};

use crate::{
    Settings,
    limits::{
        budget::Budget,
        loads::Loads,
        pacing::{Lane, Pace, Paced},
    },
    metrics::counters::{Counted, Counters},
    settings::CHANGES_KEPT,
    state::scope::Scope,
    store::{ObjectStore, StoreClock, WatchScope},
    values::{CHUNK_CACHE_BYTES, ChunkCache},
};

/// The surroundings of every [`crate::state::space::Space`].
pub(crate) struct Context {
    /// Writes wait here for the pace of the whole process, at most as long as a client waits.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The same store, for the many objects of a commit, which has deadlines of its own.
    pub(crate) bulk_store: Arc<dyn ObjectStore>,
    /// The same store, for writes whose turn has come already.
    pub(crate) commit_store: Arc<dyn ObjectStore>,
    /// The same store, for what goes beside the data: it waits for nobody, and what follows pays for it.
    pub(crate) canary_store: Arc<dyn ObjectStore>,
    /// The same store, for writes that stand back for commits.
    pub(crate) upkeep_store: Arc<dyn ObjectStore>,
    /// The store's time, where it has one.
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<Random>,
    pub(crate) settings: Settings,
    pub(crate) changes: broadcast::Sender<Namespace>,
    /// What this process may send to the store.
    pub(crate) pace: Arc<Pace>,
    /// What is counted.
    pub(crate) counters: Arc<Counters>,
    /// What all KvNamespaces together may take in the store.
    pub(crate) budget: Arc<Budget>,
    /// Whose turn it is to be read into memory.
    pub(crate) loads: Loads,
    /// A KvNamespace was deleted. For the inventory, which counts what is left of it.
    pub(crate) deleted: Notify,
    /// Chunks of long values lately read.
    pub(crate) chunks: ChunkCache,
    /// The parts of the store that are watched one by one.
    pub(crate) scopes: Vec<Arc<Scope>>,
    /// This process among those that stand on the store.
    pub(crate) replica: String,
    /// Counts the configurations that were taken or dropped, so that what follows from all of them is reckoned anew.
    pub(crate) configured: AtomicU64,
    store_clock: Arc<StoreClock>,
    maintainer: Mutex<Maintainer>,
}

/// Whether this process is the maintainer, and who is to be told. Each listener has a channel of its own: a shared one
/// wakes its listeners in random order, and a seed must tell one history.
#[derive(Default)]
struct Maintainer {
    on: bool,
    listeners: Vec<watch::Sender<bool>>,
}

impl Context {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        random: Arc<Random>,
        settings: Settings,
    ) -> Self {
        let pace = Pace::new(settings.pacing);
        let counters = Arc::new(Counters::default());
        let counted = |lane| Counted::new(Arc::clone(&store), Arc::clone(&counters), lane);
        let (commits, upkeep) = (counted(Lane::Commit), counted(Lane::Maintenance));
        let paced_commits = |patience| {
            let commits: Arc<dyn ObjectStore> = Arc::<Counted>::clone(&commits);
            Paced::new(commits, Arc::clone(&pace), Lane::Commit, patience)
        };
        let scopes = store.scopes().into_iter().map(|part| Arc::new(Scope::new(part))).collect();
        let store_clock = Arc::new(StoreClock::new(clock, Arc::clone(&store)));
        Self {
            store: paced_commits(Some(settings.write_deadline)),
            bulk_store: paced_commits(None),
            upkeep_store: Paced::new(
                Arc::<Counted>::clone(&upkeep),
                Arc::clone(&pace),
                Lane::Maintenance,
                None,
            ),
            commit_store: commits,
            canary_store: Arc::<Counted>::clone(&upkeep),
            scopes,
            replica: random.hex128(),
            configured: AtomicU64::new(0),
            counters,
            pace,
            changes: broadcast::Sender::new(CHANGES_KEPT),
            budget: Arc::new(Budget::new(settings.budget_bytes, settings.budget_objects)),
            loads: Loads::default(),
            deleted: Notify::new(),
            chunks: ChunkCache::new(CHUNK_CACHE_BYTES),
            maintainer: Mutex::default(),
            clock: Arc::<StoreClock>::clone(&store_clock),
            store_clock,
            random,
            settings,
        }
    }

    /// The scope of an account's KvNamespaces.
    pub(crate) fn scope_of(&self, account: &str) -> Arc<Scope> {
        let covering = self.scopes.iter().find(|scope| scope.part.covers(account));
        // One that no watch covers is proven by its own reads and commits alone.
        covering.map_or_else(|| Arc::new(Scope::new(WatchScope::default())), Arc::clone)
    }

    /// Tells the listeners of [`crate::Origin::changes`].
    pub(crate) fn announce(&self, namespace: &Namespace) {
        // Nobody listening is no loss: a listener starts by looking at everything.
        let _ = self.changes.send(namespace.clone());
    }

    /// How far this machine's clock is ahead of the store's, in milliseconds.
    pub(crate) fn clock_skew_ms(&self) -> Option<i64> {
        self.store_clock.skew_ms()
    }

    pub(crate) fn set_maintainer(&self, on: bool) {
        let mut maintainer = self.maintainer.lock();
        maintainer.on = on;
        maintainer.listeners.retain(|listener| !listener.is_closed());
        for listener in &maintainer.listeners {
            listener.send_replace(on);
        }
    }

    pub(crate) fn is_maintainer(&self) -> bool {
        self.maintainer.lock().on
    }

    pub(crate) fn maintainer(&self) -> watch::Receiver<bool> {
        let mut maintainer = self.maintainer.lock();
        let (listener, receiver) = watch::channel(maintainer.on);
        maintainer.listeners.push(listener);
        receiver
    }
}
