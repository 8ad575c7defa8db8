//! Many KvNamespaces in one process: what they ask of the store while nothing happens, and how they are read into memory at
//! the start.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};
use nearkv::{Kv, Mutation, Namespace, PutOptions, Random, UnixMillis, Value};
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    InitialState, NamespaceConfig, Origin, Settings,
    limits::loads::{ASKED_FOR_AT_ONCE, LOADS_AT_ONCE},
    parts::loader::FETCH_PARALLEL,
    store::{
        Draft, Meta, Object, ObjectId, ObjectName, ObjectStore, Selector, StoreError, Token, WatchEvent,
        WatchScope,
        simulated::{Faults, Simulated},
    },
    tests::rig::{Objects, Process, config, key},
};

/// KvNamespaces at the start: far more than are loaded at a time.
const MANY: usize = 40;

fn unpaced() -> Settings {
    Settings { pacing: None, ..Settings::default() }
}

fn namespace(number: usize) -> Namespace {
    format!("team-{}/kv-{number}", number % 3).parse().unwrap()
}

fn config_of(number: usize) -> NamespaceConfig {
    NamespaceConfig { namespace: namespace(number), ..config(&format!("u{number}")) }
}

/// What a process with so many idle KvNamespaces asks of the store in ten minutes.
async fn idle_reads(kvnamespaces: usize) -> u64 {
    let store = Simulated::new(61);
    let process = Process::idle(&store, 1, unpaced());
    process.origin.set_maintainer(true);
    for number in 0..kvnamespaces {
        process.origin.configure(config_of(number));
        process.origin.initialise(&namespace(number), InitialState::New).await.unwrap();
    }
    sleep(Duration::from_secs(120)).await;
    let before = store.counters().reads;
    sleep(Duration::from_secs(600)).await;
    let reads = store.counters().reads - before;
    process.stop().await;
    reads
}

/// 1000 KvNamespaces asked 121 times a second once: each listed its objects for its own audit and collector.
#[tokio::test(start_paused = true)]
async fn what_idle_kvnamespaces_ask_for_does_not_grow_with_their_number() {
    let (one, many) = (idle_reads(1).await, idle_reads(60).await);
    println!("{one} reads of one KvNamespace in ten minutes, {many} of sixty");
    assert!(many <= one + one / 20, "{one} reads of one KvNamespace, {many} of sixty");
}

/// A store that notes which KvNamespaces' parts are read at a time.
#[derive(Clone)]
struct Noting {
    inner: Simulated,
    reading: Arc<Mutex<Reading>>,
}

#[derive(Default)]
struct Reading {
    now: BTreeMap<String, usize>,
    most_namespaces: usize,
    most_parts: usize,
}

#[async_trait]
impl ObjectStore for Noting {
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        let (of, part) = name.name.split_once(".kv").unwrap();
        if part.is_empty() {
            return self.inner.get(name).await;
        }
        {
            let mut reading = self.reading.lock();
            *reading.now.entry(of.to_owned()).or_default() += 1;
            reading.most_namespaces = reading.most_namespaces.max(reading.now.len());
            reading.most_parts = reading.most_parts.max(reading.now.values().sum());
        }
        let found = self.inner.get(name).await;
        let mut reading = self.reading.lock();
        if let Some(parts) = reading.now.get_mut(of) {
            *parts -= 1;
        }
        reading.now.retain(|_, parts| *parts > 0);
        found
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError> {
        self.inner.list(selector).await
    }

    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError> {
        self.inner.create(draft).await
    }

    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        self.inner.replace(draft, expected).await
    }

    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        self.inner.delete(name, id).await
    }

    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent> {
        self.inner.watch(selector)
    }

    fn scopes(&self) -> Vec<WatchScope> {
        self.inner.scopes()
    }

    fn time(&self) -> Option<UnixMillis> {
        self.inner.time()
    }
}

/// Many KvNamespaces whose log has some fifty segments each.
async fn filled(seed: u64) -> Simulated {
    let store = Simulated::new(seed);
    let process = Process::idle(&store, 1, Settings { budget_objects: 1_000_000, ..unpaced() });
    for number in 0..MANY {
        process.origin.configure(config_of(number));
        process.origin.initialise(&namespace(number), InitialState::New).await.unwrap();
        let put = |n: u64| {
            let value = Value::Bytes(vec![b'v'; 3000].into());
            Ok(Mutation::Put { key: key(&format!("k-{n:06}")), value, options: PutOptions::default() })
        };
        process
            .origin
            .write_many(&namespace(number), stream::iter((0..1000).map(put)).boxed())
            .await
            .unwrap();
    }
    process.stop().await;
    store
}

/// A process that starts on a store whose answers take a while.
struct Started {
    origin: Arc<Origin>,
    store: Noting,
    shutdown: CancellationToken,
}

impl Started {
    fn on(store: &Simulated) -> Self {
        let inner = store.client();
        let latency = Duration::from_millis(50);
        inner.set_faults(Faults { latency: latency..latency * 2, ..Faults::NONE });
        let store = Noting { inner, reading: Arc::default() };
        let clock = store.inner.world().clock();
        let catalog = Arc::new(Objects::default());
        let random = Arc::new(Random::seeded(2));
        let origin = Origin::new(Arc::new(store.clone()), catalog, clock, random, unpaced());
        for number in 0..MANY {
            origin.configure(config_of(number));
        }
        let shutdown = CancellationToken::new();
        tokio::spawn(Arc::clone(&origin).run(shutdown.clone()));
        Self { origin, store, shutdown }
    }
}

#[tokio::test(start_paused = true)]
async fn at_a_start_a_few_kvnamespaces_are_read_at_a_time_and_of_each_a_few_parts() {
    let started = Started::on(&filled(62).await);
    while !started.origin.loading().is_empty() {
        sleep(Duration::from_millis(50)).await;
    }
    let Reading { most_namespaces, most_parts, .. } = &*started.store.reading.lock();
    println!("{most_parts} parts of {most_namespaces} KvNamespaces at a time");
    let at_once = LOADS_AT_ONCE + ASKED_FOR_AT_ONCE;
    assert!((2..=at_once).contains(most_namespaces), "{most_namespaces} KvNamespaces at a time");
    assert!(*most_parts <= at_once * FETCH_PARALLEL, "{most_parts} parts at a time");
    started.shutdown.cancel();
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_kvnamespace_at_a_start_does_not_wait_for_all_the_others() {
    let started = Started::on(&filled(63).await);
    sleep(Duration::from_millis(500)).await;
    let last = started.origin.instances().pop().unwrap();
    assert!(last.space.view().is_none(), "it would be the last");
    last.follower.refresh().await.unwrap();
    let waiting = started.origin.loading().len();
    assert!(waiting > MANY / 3, "{waiting} others are still to be loaded");
    started.shutdown.cancel();
}
