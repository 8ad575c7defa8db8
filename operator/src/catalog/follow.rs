//! Follows the KvNamespace objects of one scope: the origin learns of each, and the controller which of them
//! have changed.

use std::{collections::HashSet, sync::Arc};

use futures::StreamExt;
use kube::{
    Client,
    runtime::{
        WatchStreamExt,
        reflector::{Store, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use nearkv::Namespace;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Scope,
    touched::{Known, News},
};
use nearkv_controller::{api::KvNamespace, config_of, namespace_of};
use nearkv_origin::Origin;

/// Most changes the controller may be behind before it looks at everything.
const TOUCHES_KEPT: usize = 1024;

/// What others may know of a followed scope. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    /// The scope.
    pub scope: Scope,
    /// Its KvNamespace objects.
    pub store: Store<KvNamespace>,
    /// Whose spec, identity or request for repair has changed.
    pub touched: broadcast::Sender<Namespace>,
    /// Whether the objects have been listed once.
    pub listed: watch::Receiver<bool>,
}

/// Follows `scope` with the returned future, until `shutdown`.
pub fn follow(
    client: Client,
    scope: Scope,
    origin: Arc<Origin>,
    shutdown: CancellationToken,
) -> (Follower, impl Future<Output = ()> + Send + 'static) {
    let writer = Writer::default();
    let (listed_sender, listed) = watch::channel(false);
    let touched = broadcast::Sender::new(TOUCHES_KEPT);
    let follower =
        Follower { scope: scope.clone(), store: writer.as_reader(), touched: touched.clone(), listed };
    let task = Task {
        writer,
        origin,
        touched,
        listed: listed_sender,
        known: Known::default(),
        relisted: HashSet::new(),
        untold: Vec::new(),
    };
    (follower, task.run(client, scope, shutdown))
}

struct Task {
    writer: Writer<KvNamespace>,
    origin: Arc<Origin>,
    touched: broadcast::Sender<Namespace>,
    listed: watch::Sender<bool>,
    known: Known,
    /// What a list in progress has shown.
    relisted: HashSet<Namespace>,
    /// What is to be told once the store shows it: it takes a list as a whole, at its end.
    untold: Vec<Namespace>,
}

impl Task {
    async fn run(mut self, client: Client, scope: Scope, shutdown: CancellationToken) {
        let events = watcher(scope.api::<KvNamespace>(client), watcher::Config::default())
            .default_backoff()
            .take_until(shutdown.cancelled_owned());
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => {
                    tracing::warn!(%error, ?scope, "the watch of KvNamespaces broke off; it is tried again");
                }
            }
        }
    }

    fn take(&mut self, mut event: Event<KvNamespace>) {
        if let Event::Apply(object) | Event::InitApply(object) = &mut event {
            // By far the largest part of the metadata, and nobody's business here.
            object.metadata.managed_fields = None;
        }
        self.writer.apply_watcher_event(&event);
        let is_listing = matches!(event, Event::Init | Event::InitApply(_));
        match event {
            Event::Init => self.relisted.clear(),
            Event::InitApply(object) => {
                if let Some(namespace) = self.apply(&object) {
                    self.relisted.insert(namespace);
                }
            }
            Event::InitDone => {
                for namespace in self.known.missing_in(&self.relisted) {
                    self.delete(&namespace);
                }
                self.relisted.clear();
                self.listed.send_replace(true);
            }
            Event::Apply(object) => {
                self.apply(&object);
            }
            Event::Delete(object) => {
                if let Ok(namespace) = namespace_of(&object.metadata) {
                    self.delete(&namespace);
                }
            }
        }
        if !is_listing {
            // Nobody listens where this process does not lead: a new leader looks at everything.
            self.untold.drain(..).for_each(|namespace| drop(self.touched.send(namespace)));
        }
    }

    fn apply(&mut self, object: &KvNamespace) -> Option<Namespace> {
        let config =
            config_of(object).inspect_err(|error| tracing::warn!(%error, "left a KvNamespace out")).ok()?;
        let namespace = config.namespace.clone();
        for news in self.known.apply(&namespace, object) {
            match news {
                News::Changed => {
                    self.origin.configure(config.clone());
                    self.untold.push(namespace.clone());
                }
                News::Same => {}
                News::Gone(uid) => {
                    self.origin.forget(&namespace, &uid);
                    self.untold.push(namespace.clone());
                }
            }
        }
        Some(namespace)
    }

    fn delete(&mut self, namespace: &Namespace) {
        if let Some(News::Gone(uid)) = self.known.delete(namespace) {
            self.origin.forget(namespace, &uid);
            self.untold.push(namespace.clone());
        }
    }
}
