//! The controller in a cluster: while this process leads, rounds for every KvNamespace of a scope. `kube`'s
//! applier keeps one round at a time per object, a bound on all, and the times of later ones.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, Stream, StreamExt, stream};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Client,
    runtime::{
        controller::{Action, Config, ReconcileRequest, applier},
        reflector::{ObjectRef, Store},
    },
};
use nearkv::{Clock, Namespace, UnixMillis};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use nearkv_controller::{
    ReconcileError, Reconciled,
    api::KvNamespace,
    is_ending, namespace_of, reconcile,
    status::{only_counters_differ, recount, stand},
};

use super::{
    binding::{Binder, BindingError},
    cluster::{Cluster, RequestError, StatusError},
    differences::tell,
    remembered::{FAILURES_UNCOUNTED, Remembered, retry_pause},
    triggers::{Trigger, triggers},
};
use crate::{catalog::Follower, metrics::Metrics};
use nearkv_origin::Origin;

/// How often counters may be written (design §5).
const COUNTERS_EVERY: Duration = Duration::from_secs(30);
/// How often everything is looked at although nothing was heard.
const RESYNC_EVERY: Duration = Duration::from_secs(600);
/// Rounds at a time: each has at most one request under way.
const ROUNDS_AT_ONCE: u16 = 16;

/// What the controller of a scope works with.
pub struct Controller {
    /// For watches.
    pub client: Client,
    /// For reads by name and for status and Events.
    pub cluster: Cluster,
    /// The data.
    pub origin: Arc<Origin>,
    /// For the Secrets of bindings.
    pub binder: Arc<Binder>,
    /// The objects.
    pub follower: Follower,
    /// For conditions.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Controller {
    /// Reconciles whenever `leading` says so, and tells of differences always, until `shutdown`. Rounds in progress are
    /// finished.
    pub async fn run(self, leading: watch::Receiver<bool>, shutdown: CancellationToken) {
        let Self { origin, follower, cluster, .. } = &self;
        let telling = tell(Arc::clone(origin), follower.clone(), cluster.clone(), shutdown.clone());
        tokio::join!(telling, self.lead(leading, shutdown));
    }

    async fn lead(self, mut leading: watch::Receiver<bool>, shutdown: CancellationToken) {
        let this = Arc::new(self);
        let mut listed = this.follower.listed.clone();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                Ok(_) = async {
                    listed.wait_for(|listed| *listed).await?;
                    leading.wait_for(|leads| *leads).await.map(drop)
                } => {}
                else => return,
            }
            let mut lost = leading.clone();
            let shutdown = shutdown.clone();
            let stop = async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    _ = lost.wait_for(|leads| !*leads) => {}
                }
            };
            Term::new(&this).run(stop).await;
        }
    }
}

/// The time between two changes of leadership: what was remembered before may be old.
struct Term {
    controller: Arc<Controller>,
    remembered: Mutex<HashMap<Namespace, Remembered>>,
    /// Those that something was heard of.
    due: Mutex<HashSet<Namespace>>,
}

/// A round failed.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    #[error(transparent)]
    Status(#[from] StatusError),
    #[error(transparent)]
    Binding(#[from] BindingError),
    #[error("failed to read the KvNamespace: {0}")]
    Read(#[source] RequestError),
}

impl Term {
    fn new(controller: &Arc<Controller>) -> Arc<Self> {
        let controller = Arc::clone(controller);
        Arc::new(Self { controller, remembered: Mutex::default(), due: Mutex::default() })
    }

    async fn run(self: Arc<Self>, stop: impl Future<Output = ()> + Send + 'static) {
        let Controller { client, follower, origin, .. } = &*self.controller;
        let store = follower.store.clone();
        let queue = self.queue(triggers(client.clone(), follower, origin.changes())).take_until(stop);
        let config = Config::default().concurrency(ROUNDS_AT_ONCE);
        applier(
            |object, term: Arc<Self>| async move { term.round(&object).await }.boxed(),
            |object, error, term| term.failed(&object, error),
            Arc::clone(&self),
            store,
            queue.map(Ok::<_, std::convert::Infallible>),
            config,
        )
        .for_each(|_| async {})
        .await;
    }

    fn queue(
        self: &Arc<Self>,
        triggers: impl Stream<Item = Trigger>,
    ) -> impl Stream<Item = ReconcileRequest<KvNamespace>> {
        let term = Arc::clone(self);
        triggers.flat_map(move |trigger| stream::iter(term.due(trigger)))
    }

    fn due(&self, trigger: Trigger) -> Vec<ReconcileRequest<KvNamespace>> {
        let store = &self.controller.follower.store;
        let namespaces = match trigger {
            Trigger::One(namespace) => vec![namespace],
            Trigger::All => all(store, |_| true),
            Trigger::AllWithSources => all(store, |object| !object.spec.entries_from.is_empty()),
        };
        let mut due = self.due.lock();
        namespaces
            .into_iter()
            .filter_map(|namespace| {
                let object = ObjectRef::new(namespace.name()).within(namespace.account());
                if store.get(&object).is_none() {
                    self.remembered.lock().remove(&namespace);
                    return None;
                }
                due.insert(namespace);
                Some(ReconcileRequest::from(object))
            })
            .collect()
    }

    /// A look at everything if something was heard or it is time, else at the counters.
    async fn round(&self, object: &KvNamespace) -> Result<Action, RoundError> {
        let namespace = namespace_of(&object.metadata).map_err(ReconcileError::from)?;
        if is_ending(object) {
            self.remembered.lock().remove(&namespace);
            return Ok(Action::await_change());
        }
        let remembered = self.remembered.lock().get(&namespace).cloned();
        let remembered = remembered.filter(|remembered| remembered.uid == object.metadata.uid);
        let was_due = self.due.lock().remove(&namespace);
        match remembered {
            Some(remembered) if !was_due && remembered.looked.elapsed() < RESYNC_EVERY => {
                self.count(namespace, object, remembered).await
            }
            remembered => {
                let result = self.look(namespace.clone(), object, remembered).await;
                if result.is_err() {
                    self.due.lock().insert(namespace);
                }
                result
            }
        }
    }

    async fn look(
        &self,
        namespace: Namespace,
        object: &KvNamespace,
        remembered: Option<Remembered>,
    ) -> Result<Action, RoundError> {
        let Controller { cluster, origin, metrics, binder, .. } = &*self.controller;
        let started = Instant::now();
        let mut remembered = match remembered {
            Some(remembered) => remembered,
            // The store may be behind the status that the leader before wrote.
            None => match cluster.get(object).await.map_err(RoundError::Read)? {
                Some(live) if live.metadata.uid == object.metadata.uid => Remembered::of(&live),
                _ => return Ok(Action::await_change()),
            },
        };
        metrics.step("read", started.elapsed());
        let Reconciled { mut memory, events, settled, took } =
            reconcile(&**origin, cluster, object, &remembered.memory, self.now()).await?;
        metrics.step("dereference", took.dereference);
        metrics.step("apply", took.apply);
        let binding = Instant::now();
        let (standing, unwritten) = binder.decide(&namespace, object, &mut memory.status).await?;
        stand(&mut memory.status, object, &remembered.memory.status, standing, self.now());
        metrics.step("binding", binding.elapsed());
        let writing = Instant::now();
        for event in events {
            tracing::info!(%namespace, reason = event.reason, note = event.note, "event");
            cluster.publish(object, event).await;
        }
        let before = std::mem::replace(&mut remembered.memory, memory).status;
        if only_counters_differ(&before, &remembered.memory.status) {
            remembered.memory.status = before;
        } else if let Err(error) = cluster.write_status(object, &remembered.memory.status).await {
            if error.is_gone() {
                return Ok(Action::await_change());
            }
            return Err(error.into());
        } else {
            remembered.written = Instant::now();
        }
        binder.write(&namespace, unwritten).await?;
        remembered.looked = Instant::now();
        remembered.failures = if settled { 0 } else { remembered.failures.saturating_add(1) };
        let pause = if settled { COUNTERS_EVERY } else { retry_pause(remembered.failures) };
        metrics.step("status", writing.elapsed());
        metrics.step("round", started.elapsed());
        metrics.round(if settled { "settled" } else { "unsettled" });
        if !settled {
            self.due.lock().insert(namespace.clone());
        }
        self.remembered.lock().insert(namespace, remembered);
        Ok(Action::requeue(pause))
    }

    async fn count(
        &self,
        namespace: Namespace,
        object: &KvNamespace,
        mut remembered: Remembered,
    ) -> Result<Action, RoundError> {
        let Controller { cluster, origin, .. } = &*self.controller;
        let since = remembered.written.elapsed();
        let counted = origin.report(&namespace).map(|report| recount(&remembered.memory.status, &report));
        if let Some(counted) = counted.filter(|counted| *counted != remembered.memory.status) {
            if since < COUNTERS_EVERY {
                return Ok(Action::requeue(COUNTERS_EVERY - since));
            }
            match cluster.write_status(object, &counted).await {
                Ok(()) => remembered.memory.status = counted,
                Err(error) if error.is_gone() => return Ok(Action::await_change()),
                Err(error) => return Err(error.into()),
            }
            remembered.written = Instant::now();
            self.remembered.lock().insert(namespace, remembered);
        }
        Ok(Action::requeue(COUNTERS_EVERY))
    }

    fn failed(&self, object: &KvNamespace, error: &RoundError) -> Action {
        let reason = match error {
            RoundError::Reconcile(error) => error.reason(),
            RoundError::Status(_) => "status",
            RoundError::Binding(_) => "binding",
            RoundError::Read(_) => "read",
        };
        self.controller.metrics.round(reason);
        let name = object.metadata.name.as_deref().unwrap_or_default();
        tracing::warn!(%error, name, "a round of the controller failed; it is tried again");
        let failures = namespace_of(&object.metadata).ok().and_then(|namespace| {
            let mut remembered = self.remembered.lock();
            let remembered = remembered.get_mut(&namespace)?;
            remembered.failures = remembered.failures.saturating_add(1);
            Some(remembered.failures)
        });
        Action::requeue(retry_pause(failures.unwrap_or(FAILURES_UNCOUNTED)))
    }

    fn now(&self) -> Timestamp {
        let UnixMillis(millis) = self.controller.clock.now();
        let millis = i64::try_from(millis).unwrap_or(i64::MAX);
        // The API keeps whole seconds; more would make every status differ from what was read back.
        Timestamp::from_second(millis / 1000).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn all(store: &Store<KvNamespace>, which: impl Fn(&KvNamespace) -> bool) -> Vec<Namespace> {
    let objects = store.state();
    let chosen = objects.iter().filter(|object| which(object));
    chosen.filter_map(|object| namespace_of(&object.metadata).ok()).collect()
}
