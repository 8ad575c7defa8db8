//! A fault of this program in one KvNamespace stops that one, and not for long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use nearkv::{Kv, PutOptions, Random, Reason, UnixMillis, Value};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    InitialState, NamespaceConfig, Origin, Settings,
    format::root_name,
    store::{
        Draft, Meta, Object, ObjectId, ObjectName, ObjectStore, Selector, StoreError, Token, WatchEvent,
        WatchScope, simulated::Simulated,
    },
    tests::rig::{Objects, config, key, reason, settings},
};

/// A store under a program with a fault: the next swap of one root panics.
struct Faulty {
    store: Simulated,
    is_due: AtomicBool,
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        self.store.get(name).await
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError> {
        self.store.list(selector).await
    }

    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError> {
        self.store.create(draft).await
    }

    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        let is_due = draft.name == root_name(&settings()) && self.is_due.swap(false, Ordering::Relaxed);
        assert!(!is_due, "the planted fault");
        self.store.replace(draft, expected).await
    }

    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        self.store.delete(name, id).await
    }

    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent> {
        self.store.watch(selector)
    }

    fn scopes(&self) -> Vec<WatchScope> {
        self.store.scopes()
    }

    fn time(&self) -> Option<UnixMillis> {
        self.store.time()
    }
}

/// t0 the committer of a KvNamespace panics; t1 its writer hears that the outcome is unknown; t2 reads and writes are
/// refused as of one that is loading; t3 it is loaded anew and takes writes again. The other KvNamespace notices nothing.
#[tokio::test(start_paused = true)]
async fn a_kvnamespace_whose_task_panics_is_loaded_anew_and_loses_nothing() {
    let store = Arc::new(Faulty { store: Simulated::new(71), is_due: AtomicBool::new(false) });
    let shared: Arc<dyn ObjectStore> = Arc::<Faulty>::clone(&store);
    let (clock, random) = (store.store.world().clock(), Arc::new(Random::seeded(1)));
    let origin = Origin::new(shared, Arc::new(Objects::default()), clock, random, Settings::default());
    tokio::spawn(Arc::clone(&origin).run(CancellationToken::new()));
    let (broken, other) = (settings(), "team-a/other".parse().unwrap());
    for config in
        [config("u1"), NamespaceConfig { namespace: "team-a/other".parse().unwrap(), ..config("u9") }]
    {
        let namespace = config.namespace.clone();
        origin.configure(config);
        origin.initialise(&namespace, InitialState::New).await.unwrap();
    }
    let put = async |namespace, value: &'static str| {
        let value = Value::Bytes(value.into());
        origin.put(namespace, &key("k"), value, &PutOptions::default()).await.map(drop)
    };
    put(&broken, "kept").await.unwrap();
    store.is_due.store(true, Ordering::Relaxed);
    assert_eq!(reason(put(&broken, "lost").await), Reason::OutcomeUnknown);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(reason(put(&broken, "early").await), Reason::NamespaceLoading);
    put(&other, "undisturbed").await.unwrap();
    assert_eq!(origin.loading(), [settings()]);
    for _ in 0..50 {
        if origin.loading().is_empty() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    let held = origin.instance(&settings()).unwrap().space.view().unwrap();
    assert_eq!(held.entries.count(), 1);
    put(&broken, "again").await.unwrap();
    assert_eq!(origin.context.counters.failures.get(), 1);
}
