//! One KvNamespace in memory: its configuration, the newest snapshot of its data, and what is known about both.
//! Readers take the snapshot without a lock; whoever has a newer one publishes it here.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use nearkv::{Error, Namespace, Reason};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{
    NamespaceConfig, Report,
    ages::Age,
    ask::{Ask, Done, What},
    batch::Batch,
    budget::Purpose,
    context::Context,
    counters::Tally,
    format::Drafter,
    inbox::Inbox,
    queue::{NotTaken, Queue},
    settings::BULK_BYTES_PER_SECOND,
    snapshot::{Snapshot, owner},
    standing::Standing,
    underway::Underway,
    workshop::Workshop,
    writers::Writers,
};
use crate::store::ObjectName;

/// A configured KvNamespace.
pub(super) struct Space {
    pub(super) context: Arc<Context>,
    pub(super) namespace: Namespace,
    config: ArcSwap<NamespaceConfig>,
    view: ArcSwapOption<Snapshot>,
    pub(super) standing: Mutex<Standing>,
    /// When the snapshot was last proven to be the newest state, in µs since `started`; 0 for never.
    proven: AtomicU64,
    started: Instant,
    pub(super) queue: Queue,
    pub(super) tally: Tally,
    pub(super) inbox: Inbox,
    /// Only one root at a time is fetched for and applied.
    pub(super) applying: tokio::sync::Mutex<()>,
    pub(super) underway: Underway,
    pub(super) writers: Writers,
    /// This space among the writers of a root. Not the process: another life of the KvNamespace, which may have the same
    /// data, counts its batches anew, while those of this one may still be under way.
    pub(super) writer: String,
    batches: AtomicU64,
    /// Parts that the upkeep has found lost or altered. For the audit.
    pub(super) doubted: Mutex<HashSet<ObjectName>>,
    /// The snapshot is another one. For the upkeep.
    pub(super) moved: Notify,
    /// The configuration is another one. For the upkeep.
    pub(super) reconfigured: Notify,
    /// Cancelled when the KvNamespace is gone or has another UID.
    pub(super) closed: CancellationToken,
}

impl Space {
    pub(super) fn new(context: Arc<Context>, config: NamespaceConfig) -> Arc<Self> {
        let inbox = Inbox::default();
        inbox.ask_for_check();
        Arc::new(Self {
            namespace: config.namespace.clone(),
            config: ArcSwap::from_pointee(config),
            view: ArcSwapOption::empty(),
            standing: Mutex::default(),
            proven: AtomicU64::new(0),
            started: Instant::now(),
            queue: Queue::new(&context.settings),
            tally: Tally::default(),
            inbox,
            applying: tokio::sync::Mutex::default(),
            underway: Underway::default(),
            writers: Writers::default(),
            writer: context.random.hex128(),
            batches: AtomicU64::new(0),
            doubted: Mutex::default(),
            moved: Notify::new(),
            reconfigured: Notify::new(),
            closed: CancellationToken::new(),
            context,
        })
    }

    /// Takes a changed configuration; `false` if it belongs to another life of the KvNamespace.
    pub(super) fn reconfigure(&self, config: &NamespaceConfig) -> bool {
        let present = self.config.load();
        if present.uid != config.uid {
            return false;
        }
        if **present != *config {
            self.config.store(Arc::new(config.clone()));
            self.reconfigured.notify_one();
            self.inbox.ask_for_check();
        }
        true
    }

    pub(super) fn config(&self) -> Arc<NamespaceConfig> {
        self.config.load_full()
    }

    pub(super) fn view(&self) -> Option<Arc<Snapshot>> {
        self.view.load_full()
    }

    /// Ends everything: the KvNamespace is gone, or another one has its name.
    pub(super) fn close(&self) {
        self.closed.cancel();
        Batch::new(self.queue.close()).refuse(&Error::namespace_missing(&self.namespace));
    }

    /// Follows and commits until `shutdown` or the end of the space.
    pub(super) async fn live(self: Arc<Self>, shutdown: CancellationToken) {
        let end = shutdown.child_token();
        let closed = async {
            tokio::select! {
                biased;
                () = self.closed.cancelled() => end.cancel(),
                () = end.cancelled() => {}
            }
        };
        let attend = async {
            tokio::select! {
                biased;
                () = end.cancelled() => {}
                () = self.attend() => {}
            }
        };
        tokio::join!(
            closed,
            attend,
            self.commit_all(&end),
            self.keep_up(&end),
            self.follow_policy(&end),
            self.audit(&end),
        );
    }

    /// Makes a snapshot the one that readers see, unless they see a later one already. `force` where a read of the
    /// root has confirmed that this one is of another life of the data, whatever was seen before.
    pub(super) fn publish(&self, snapshot: Arc<Snapshot>, force: bool) -> Arc<Snapshot> {
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
        let moved = present.is_none_or(|present| {
            present.root.incarnation != snapshot.root.incarnation
                || present.root.declared != snapshot.root.declared
                || present.policy() != snapshot.policy()
        });
        if moved {
            self.context.announce(&self.namespace);
        }
        snapshot
    }

    /// The state was the newest one at `at`.
    pub(super) fn prove(&self, at: Instant) {
        let micros = at.saturating_duration_since(self.started).as_micros();
        self.proven.fetch_max(u64::try_from(micros).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    /// How long ago the state was last proven to be the newest.
    pub(super) fn age(&self) -> Duration {
        let proven = Duration::from_micros(self.proven.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(proven)
    }

    pub(super) fn next_batch(&self) -> u64 {
        self.batches.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Where this KvNamespace's parts are made, as a client's write.
    pub(super) fn workshop(&self) -> Workshop {
        let config = self.config();
        let owner = owner(&self.namespace, &config.uid, config.deletion_policy);
        Workshop {
            store: Arc::clone(&self.context.store),
            random: Arc::clone(&self.context.random),
            budget: Arc::clone(&self.context.budget),
            purpose: Purpose::Write,
            drafter: Drafter { namespace: self.namespace.clone(), owner },
        }
    }

    /// Hands the committer something to do and waits for the answer. Who goes away meanwhile does not stop it.
    pub(super) async fn ask(&self, what: What, objects: Option<Age>) -> Result<Done, Error> {
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + self.patience(what.weight() as u64);
        let ask = Ask { what, deadline, objects, span: Span::current(), reply: Some(reply) };
        self.queue.push(ask).map_err(|refusal| match refusal {
            NotTaken::Full => Error::new(
                Reason::Throttled,
                format!("Too many writes to KvNamespace {} are waiting", self.namespace),
            )
            .with_retry_after(self.context.pace.delay().max(Duration::from_secs(1))),
            NotTaken::Closed => Error::namespace_missing(&self.namespace),
        })?;
        answer.await.unwrap_or_else(|_| {
            Err(Error::new(
                Reason::OutcomeUnknown,
                "The write was given up by a shutdown; it may have happened",
            ))
        })
    }

    /// How long a write of this many bytes may take: a large bulk has more time than a single write.
    pub(super) fn patience(&self, bytes: u64) -> Duration {
        self.context.settings.write_deadline + Duration::from_secs(bytes / BULK_BYTES_PER_SECOND as u64)
    }

    /// The state for `status` and metrics.
    pub(super) fn report(&self) -> Report {
        let health = self.health();
        let Some(view) = self.view() else {
            return Report {
                health,
                version: None,
                keys: 0,
                bytes: 0,
                objects: 0,
                declared: None,
                deletion_policy: None,
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
        }
    }
}
