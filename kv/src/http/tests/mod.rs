//! The binding face under test: servers over [`Memory`](crate::testing::Memory) and over what fails on
//! purpose, on real sockets.

mod access;
mod client;
mod conformance;
mod fuzz;
mod openapi;
mod options;
mod server;
mod tenants;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Clock, Key, Kv, Namespace, Random, UnixMillis,
    http::{
        Client,
        client::{ClientSettings, Protocol},
        server::{ServeError, Settings, binding_router, router, serve},
    },
    testing::{Harness, ManualClock, Memory},
};

const START: UnixMillis = UnixMillis(1_800_000_000_500);

/// A server on a port of its own, ended when dropped.
struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), ServeError>>,
    _guard: DropGuard,
}

impl Running {
    async fn over(kv: Arc<dyn Kv>, settings: &Settings) -> Self {
        Self::with(binding_router(kv, settings)).await
    }

    async fn with(router: axum::Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let ended = tokio::spawn(serve(listener, router, shutdown.clone()));
        Self { address, _guard: shutdown.clone().drop_guard(), shutdown, ended }
    }

    fn client(&self, protocol: Protocol) -> Client {
        let settings = ClientSettings { protocol, ..ClientSettings::default() };
        Client::new(&format!("http://{}", self.address), &settings).unwrap()
    }
}

/// [`Memory`], and some [`Kv`] in front of it.
struct MemoryHarness {
    clock: Arc<ManualClock>,
    random: Random,
    memory: Arc<Memory>,
    kv: Arc<dyn Kv>,
}

impl MemoryHarness {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let memory = Arc::new(Memory::new(clock.clone(), Random::seeded(11)));
        Self { clock, random: Random::seeded(12), kv: memory.clone(), memory }
    }

    fn behind(self, kv: impl Kv) -> Arc<dyn Harness> {
        Arc::new(Self { kv: Arc::new(kv), ..self })
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    fn kv(&self) -> Arc<dyn Kv> {
        self.kv.clone()
    }

    async fn fresh(&self) -> Namespace {
        let namespace = Namespace::new("team-a", &format!("ns-{:016x}", self.random.u64())).unwrap();
        self.memory.create(&namespace);
        namespace
    }

    fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    async fn advance(&self, by: Duration) -> bool {
        self.clock.advance(by);
        true
    }

    async fn declare(&self, namespace: &Namespace, key: &Key) -> bool {
        self.memory.declare(namespace, [key.clone()]).is_ok()
    }
}
