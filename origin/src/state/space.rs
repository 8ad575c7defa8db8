//! One KvNamespace in memory: its configuration, the newest snapshot of its data, and what is known about both.
//! Readers take the snapshot without a lock; whoever has a newer one publishes it here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use nearkv::Namespace;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    NamespaceConfig, Report,
    format::Drafter,
    limits::budget::Purpose,
    metrics::counters::Tally,
    parts::writer::PartWriter,
    state::context::Context,
    state::{
        doubted::Doubted,
        health::Trust,
        lost_values::LostValues,
        proof::Proof,
        snapshot::{Snapshot, owner},
        writers::Writers,
    },
};

/// A configured KvNamespace.
pub(crate) struct Space {
    pub(crate) context: Arc<Context>,
    pub(crate) namespace: Namespace,
    config: ArcSwap<NamespaceConfig>,
    view: ArcSwapOption<Snapshot>,
    pub(crate) standing: Mutex<Trust>,
    /// When the snapshot was last proven to be the newest state.
    pub(crate) proof: Proof,
    /// Parts that are to be looked at: upkeep has found them lost or altered, or another replica has.
    pub(crate) doubted: Doubted,
    pub(crate) tally: Tally,
    /// Roots whose state in memory was not the one that their committer had.
    differences: AtomicU64,
    pub(crate) writers: Writers,
    /// Long values that cannot be read whole.
    pub(crate) values: Arc<LostValues>,
    /// The snapshot is another one. For the upkeep.
    pub(crate) moved: Notify,
    /// The same, for readers who wait for a newer state.
    pub(crate) published: Notify,
    /// The configuration is another one. For the upkeep.
    pub(crate) reconfigured: Notify,
    /// The deletion policy may be another one than that of the root, or the other way round. For the ownership.
    pub(crate) policy_moved: Notify,
    /// Cancelled when the KvNamespace is gone or has another UID.
    pub(crate) closed: CancellationToken,
}

/// What a configuration was, compared with the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reconfigured {
    /// The same.
    Unchanged,
    /// Another one of the same KvNamespace object.
    Changed,
    /// That of another KvNamespace object with the same name; nothing was changed.
    OtherUid,
}

impl Space {
    pub(crate) fn new(context: Arc<Context>, config: NamespaceConfig) -> Arc<Self> {
        Arc::new(Self {
            view: ArcSwapOption::empty(),
            standing: Mutex::default(),
            proof: Proof::new(context.scope_of(config.namespace.account())),
            doubted: Doubted::default(),
            tally: Tally::default(),
            differences: AtomicU64::new(0),
            writers: Writers::default(),
            values: Arc::default(),
            moved: Notify::new(),
            published: Notify::new(),
            reconfigured: Notify::new(),
            policy_moved: Notify::new(),
            closed: CancellationToken::new(),
            namespace: config.namespace.clone(),
            config: ArcSwap::from_pointee(config),
            context,
        })
    }

    /// Takes a changed configuration.
    pub(crate) fn reconfigure(&self, config: &NamespaceConfig) -> Reconfigured {
        let present = self.config.load();
        if present.uid != config.uid {
            return Reconfigured::OtherUid;
        }
        if **present == *config {
            return Reconfigured::Unchanged;
        }
        self.config.store(Arc::new(config.clone()));
        self.reconfigured.notify_one();
        self.policy_moved.notify_one();
        Reconfigured::Changed
    }

    pub(crate) fn config(&self) -> Arc<NamespaceConfig> {
        self.config.load_full()
    }

    pub(crate) fn view(&self) -> Option<Arc<Snapshot>> {
        self.view.load_full()
    }

    /// Ends everything: the KvNamespace is gone, or another one has its name.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Makes a snapshot the one that readers see, unless they see a later one already. `force` where a read of the
    /// root has confirmed that this one is of another life of the data, whatever was seen before.
    pub(crate) fn publish(&self, snapshot: Arc<Snapshot>, force: bool) -> Arc<Snapshot> {
        let standing = self.standing.lock();
        let present = self.view.load_full();
        if let Some(present) = &present {
            let follows = present.root.incarnation == snapshot.root.incarnation
                && present.root.swap <= snapshot.root.swap;
            if !force && !follows {
                return Arc::clone(present);
            }
        }
        self.writers.observe(&snapshot.root);
        self.view.store(Some(Arc::clone(&snapshot)));
        drop(standing);
        self.moved.notify_one();
        self.published.notify_waiters();
        let moved = present.is_none_or(|present| {
            present.root.incarnation != snapshot.root.incarnation
                || present.root.declared != snapshot.root.declared
                || present.policy() != snapshot.policy()
        });
        if moved {
            self.policy_moved.notify_one();
            self.context.announce(&self.namespace);
        }
        snapshot
    }

    /// Memory was not the state that the committer of a root had.
    pub(crate) fn note_difference(&self) {
        self.context.counters.state_differences.inc();
        self.differences.fetch_add(1, Ordering::Relaxed);
        self.context.announce(&self.namespace);
    }

    /// The moment, as proofs are dated.
    pub(crate) fn moment(&self) -> Duration {
        self.context.clock.steady()
    }

    /// How long ago the state was last proven to be the newest.
    pub(crate) fn age(&self) -> Duration {
        self.moment().saturating_sub(self.proof.latest())
    }

    /// Where this KvNamespace's parts are made, as a client's write.
    pub(crate) fn part_writer(&self) -> PartWriter {
        let config = self.config();
        let owner = owner(&self.namespace, &config.uid, config.deletion_policy);
        PartWriter {
            store: Arc::clone(&self.context.store),
            random: Arc::clone(&self.context.random),
            budget: Arc::clone(&self.context.budget),
            purpose: Purpose::Write,
            drafter: Drafter { namespace: self.namespace.clone(), owner },
        }
    }

    /// The same for what makes room, or writes again what is lost.
    pub(crate) fn relief_writer(&self) -> PartWriter {
        PartWriter { purpose: Purpose::Relief, ..self.part_writer() }
    }

    /// The state for `status` and metrics.
    pub(crate) fn report(&self) -> Report {
        let health = self.health();
        let differences = self.differences.load(Ordering::Relaxed);
        let Some(view) = self.view() else {
            return Report {
                health,
                version: None,
                keys: 0,
                bytes: 0,
                objects: 0,
                declared: None,
                deletion_policy: None,
                differences,
            };
        };
        let usage = view.entries.usage(self.context.clock.now());
        Report {
            health,
            version: Some(view.version()),
            keys: usage.keys,
            bytes: usage.bytes,
            objects: view.objects(),
            declared: view.root.declared.as_ref().map(|mark| (mark.uid.clone(), mark.generation)),
            deletion_policy: Some(view.policy()),
            differences,
        }
    }
}
