//! The conformance cases of the contract over edges: over the reference model, over each other, and over HTTP.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nearkv::{
    Clock, Kv, Namespace, Random, SystemClock, UnixMillis, VirtualClock,
    http::{
        Client,
        client::ClientSettings,
        server::{self, serve},
    },
    testing::{Harness, Memory, conformance, wire},
};
use nearkv_edge_cache::{EdgeCache, Region, Settings};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::upstream::START;

/// An edge, or several, over the reference model.
struct OverMemory {
    memory: Arc<Memory>,
    kv: Arc<dyn Kv>,
    clock: Arc<dyn Clock>,
    time_is_virtual: bool,
    namespaces: AtomicUsize,
}

impl OverMemory {
    fn with(
        clock: Arc<dyn Clock>,
        time_is_virtual: bool,
        edge: impl FnOnce(Arc<Memory>) -> Arc<dyn Kv>,
    ) -> Arc<dyn Harness> {
        let memory = Arc::new(Memory::new(clock.clone(), Random::seeded(1)));
        let kv = edge(memory.clone());
        Arc::new(Self { memory, kv, clock, time_is_virtual, namespaces: AtomicUsize::new(0) })
    }

    fn on_virtual_time(edge: impl FnOnce(Arc<Memory>) -> Arc<dyn Kv>) -> Arc<dyn Harness> {
        Self::with(Arc::new(VirtualClock::starting_at(START)), true, edge)
    }

    /// Sockets do not know of virtual time.
    fn on_real_time(edge: impl FnOnce(Arc<Memory>) -> Arc<dyn Kv>) -> Arc<dyn Harness> {
        Self::with(Arc::new(SystemClock), false, edge)
    }
}

#[async_trait]
impl Harness for OverMemory {
    fn kv(&self) -> Arc<dyn Kv> {
        self.kv.clone()
    }

    async fn fresh(&self) -> Namespace {
        let n = self.namespaces.fetch_add(1, Ordering::Relaxed);
        let namespace = Namespace::new("conformance", &format!("case-{n}")).unwrap();
        self.memory.create(&namespace);
        namespace
    }

    fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) -> bool {
        if self.time_is_virtual {
            tokio::time::sleep(by).await;
        }
        self.time_is_virtual
    }
}

fn edge<K: Kv>(upstream: K) -> EdgeCache<K> {
    EdgeCache::new(upstream, &Settings::default())
}

/// A server on a free port, ended by its token.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    async fn new(kv: Arc<dyn Kv>) -> Self {
        let settings = server::Settings { region: Some("test".to_owned()), ..Default::default() };
        Self::with(server::binding_router(kv, &settings)).await
    }

    async fn with(router: axum::Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let serving = serve(listener, router, stop.clone());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, stop, task }
    }

    fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.address), &ClientSettings::default()).unwrap()
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_edge_over_the_model_conforms() {
    let harness = OverMemory::on_virtual_time(|memory| Arc::new(edge(memory)));
    conformance::run_all(&harness).await.unwrap_or_else(|failed| panic!("{failed}"));
}

#[tokio::test(start_paused = true)]
async fn an_edge_over_an_edge_conforms() {
    let harness = OverMemory::on_virtual_time(|memory| Arc::new(edge(edge(memory))));
    conformance::run_all(&harness).await.unwrap_or_else(|failed| panic!("{failed}"));
}

#[tokio::test(start_paused = true)]
async fn an_edge_without_room_conforms() {
    let settings = Settings { cache_bytes: 2000 };
    let harness = OverMemory::on_virtual_time(|memory| Arc::new(EdgeCache::new(memory, &settings)));
    conformance::run_all(&harness).await.unwrap_or_else(|failed| panic!("{failed}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_over_a_client_of_a_server_conforms() {
    let memory = Arc::new(Memory::new(Arc::new(SystemClock), Random::seeded(1)));
    let served = Served::new(memory.clone()).await;
    let kv = Arc::new(edge(served.client()));
    let harness: Arc<dyn Harness> = Arc::new(OverMemory {
        memory,
        kv: kv.clone(),
        clock: Arc::new(SystemClock),
        time_is_virtual: false,
        namespaces: AtomicUsize::new(0),
    });
    conformance::run_all(&harness).await.unwrap_or_else(|failed| panic!("{failed}"));
    kv.shutdown().await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_a_region_conforms() {
    let harness = OverMemory::on_real_time(|memory| memory);
    let region = Region::new("test".parse().unwrap(), harness.kv(), &Settings::default());
    let served = Served::new(Arc::new(region.cache.clone())).await;
    let client = served.client();
    let through: Arc<dyn Harness> = Arc::new(Through { origin: harness, kv: Arc::new(client) });
    conformance::run_all(&through).await.unwrap_or_else(|failed| panic!("{failed}"));
    region.cache.shutdown().await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_over_an_edge_answers_on_the_wire_as_the_contract_says() {
    let harness = OverMemory::on_real_time(|memory| Arc::new(edge(memory)));
    let served = Served::new(harness.kv()).await;
    wire::run_all(served.address, &harness).await.unwrap_or_else(|failed| panic!("{failed}"));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_answers_over_rest_as_the_contract_says() {
    let memory = Arc::new(Memory::new(Arc::new(SystemClock), Random::seeded(1)));
    let region = Region::new("test".parse().unwrap(), memory.clone(), &Settings::default());
    let served = Served::with(region.router(memory.clone())).await;
    let harness: Arc<dyn Harness> = Arc::new(OverMemory {
        memory,
        kv: Arc::new(region.cache.clone()),
        clock: Arc::new(SystemClock),
        time_is_virtual: false,
        namespaces: AtomicUsize::new(0),
    });
    wire::run_rest(served.address, &harness).await.unwrap_or_else(|failed| panic!("{failed}"));
    region.cache.shutdown().await;
    served.end().await;
}

/// The same origin, reached another way.
struct Through {
    origin: Arc<dyn Harness>,
    kv: Arc<dyn Kv>,
}

#[async_trait]
impl Harness for Through {
    fn kv(&self) -> Arc<dyn Kv> {
        self.kv.clone()
    }

    async fn fresh(&self) -> Namespace {
        self.origin.fresh().await
    }

    fn now(&self) -> UnixMillis {
        self.origin.now()
    }

    async fn advance(&self, by: Duration) -> bool {
        self.origin.advance(by).await
    }
}
