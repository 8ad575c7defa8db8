//! Origins on one simulated world, and what tests ask of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use nearkv::{
    Clock, DeleteOptions, Error, GetOptions, Key, Kv, ListOptions, Lookup, Namespace, PutOptions, Random,
    Reason, Value, Version,
};
use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    CacheConfig, Catalog, DEFAULT_MIN_TTL, DeletionPolicy, Health, InitialState, NamespaceConfig, OnLoss,
    Origin, Quota, Repair, Settings,
    format::{CANARY, LABEL_PART, Root, root_name},
    store::{Object, simulated::Simulated},
};

/// The KvNamespace of most tests.
pub(crate) fn settings() -> Namespace {
    "team-a/settings".parse().unwrap()
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

pub(crate) fn config(uid: &str) -> NamespaceConfig {
    NamespaceConfig {
        namespace: settings(),
        uid: uid.into(),
        cache: CacheConfig::default(),
        min_ttl: DEFAULT_MIN_TTL,
        quota: Quota::default(),
        deletion_policy: DeletionPolicy::Delete,
    }
}

/// KvNamespace objects as a live look finds them.
#[derive(Default)]
pub(crate) struct Objects(pub(crate) Mutex<HashMap<Namespace, NamespaceConfig>>);

#[async_trait]
impl Catalog for Objects {
    async fn look(&self, namespace: &Namespace) -> Result<Option<NamespaceConfig>, Error> {
        Ok(self.0.lock().get(namespace).cloned())
    }
}

/// One operator process.
pub(crate) struct Process {
    pub(crate) origin: Arc<Origin>,
    pub(crate) store: Simulated,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    /// Starts on `store`, without any KvNamespace.
    pub(crate) fn idle(store: &Simulated, seed: u64, settings: Settings) -> Self {
        Self::on(store, store.world().clock(), seed, settings)
    }

    /// The same on a machine whose clock is `clock`.
    pub(crate) fn on(store: &Simulated, clock: Arc<dyn Clock>, seed: u64, settings: Settings) -> Self {
        let random = Arc::new(Random::seeded(seed));
        let origin =
            Origin::new(Arc::new(store.clone()), Arc::new(Objects::default()), clock, random, settings);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&origin).run(shutdown.clone()));
        Self { origin, store: store.clone(), shutdown, task }
    }

    /// Starts on `store` with `settings`, and waits until its data are there.
    pub(crate) async fn start(store: &Simulated, seed: u64) -> Self {
        Self::with(store, seed, Settings { pacing: None, ..Settings::default() }).await
    }

    pub(crate) async fn with(store: &Simulated, seed: u64, settings_: Settings) -> Self {
        let process = Self::idle(store, seed, settings_);
        process.origin.configure(config("u1"));
        process.origin.initialise(&settings(), InitialState::New).await.unwrap();
        process
    }

    pub(crate) async fn put(&self, name: &str, value: &str) -> Result<Version, Error> {
        self.put_with(name, value.to_owned(), PutOptions::default()).await
    }

    pub(crate) async fn put_with(
        &self,
        name: &str,
        value: String,
        options: PutOptions,
    ) -> Result<Version, Error> {
        let value = Value::Bytes(value.into());
        Ok(self.origin.put(&settings(), &key(name), value, &options).await?.body)
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<Version, Error> {
        let answer = self.origin.delete(&settings(), &key(name), &DeleteOptions::default()).await?;
        Ok(answer.state.version)
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Option<String>, Error> {
        match self.origin.get(&settings(), &key(name), &GetOptions::default()).await?.body {
            Lookup::Found(entry) => {
                Ok(Some(String::from_utf8(entry.value.into_bytes().await?.to_vec()).unwrap()))
            }
            Lookup::Absent => Ok(None),
            Lookup::Unchanged { .. } => panic!("no version was given"),
        }
    }

    /// The length of a value that need not be text.
    pub(crate) async fn length(&self, name: &str) -> usize {
        match self.origin.get(&settings(), &key(name), &GetOptions::default()).await.unwrap().body {
            Lookup::Found(entry) => entry.value.into_bytes().await.unwrap().len(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let (mut keys, mut options) = (Vec::new(), ListOptions::default());
        loop {
            let page = self.origin.list(&settings(), &options).await.unwrap().body;
            keys.extend(page.keys.into_iter().map(|listed| listed.name.to_string()));
            options.cursor = page.cursor;
            if options.cursor.is_none() {
                return keys;
            }
        }
    }

    /// Repairs, and expects that it is done.
    pub(crate) async fn repair(&self, on_loss: OnLoss) -> Version {
        match self.origin.repair(&settings(), on_loss).await.unwrap() {
            Repair::Done(version) => version,
            Repair::WouldDrop(what) => panic!("{what}"),
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.origin.report(&settings()).unwrap().health
    }

    /// Waits until the health is this, at most a minute.
    pub(crate) async fn reaches(&self, health: &str) {
        for _ in 0..600 {
            if self.health().as_str() == health {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("the health stays {:?}", self.health());
    }

    /// Ends in order: what is in flight is finished.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }

    /// Ends at once, in the middle of whatever it does.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}

/// The objects of KvNamespaces: all but the canaries.
pub(crate) fn objects(store: &Simulated) -> Vec<Arc<Object>> {
    let mut objects = store.world().objects();
    objects.retain(|object| object.meta.labels[LABEL_PART] != CANARY);
    objects
}

/// The root as it stands in the store.
pub(crate) fn root(store: &Simulated) -> Root {
    Root::decode(&root_object(store).content).unwrap()
}

pub(crate) fn root_object(store: &Simulated) -> Object {
    Object::clone(&store.world().object(&root_name(&settings())).unwrap())
}

/// The stable word for a refusal.
pub(crate) fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    result.unwrap_err().reason()
}
