//! Access control stands before what was loaded, too.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use nearkv::{
    CacheStatus, Error, GetOptions, Kv, Lookup, Random, Reason,
    access::{Access, Authority, BearerToken, Decision, Guard, GuardSettings, Verdict},
    http::{
        Client,
        client::{ClientSettings, Credentials},
        server::serve,
    },
    testing::Memory,
};
use nearkv_edge_cache::{Region, Settings};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::World;
use crate::harness::{key, namespace, secs};

/// Lets everybody in, once it can be reached.
#[derive(Default)]
struct Gatekeeper {
    reachable: AtomicBool,
}

#[async_trait]
impl Authority for Gatekeeper {
    async fn decide(&self, _: &BearerToken, _: &Access) -> Result<Decision, Error> {
        if self.reachable.load(Ordering::SeqCst) {
            return Ok(Decision { verdict: Verdict::Allowed, lasts: secs(60) });
        }
        Err(Error::new(Reason::Unavailable, "as the test says"))
    }
}

#[tokio::test]
async fn with_access_control_nothing_of_a_snapshot_is_served_before_a_decision() {
    let world = World::new();
    let edge = world.edge().await;
    edge.get("k").await;
    world.end(edge).await;

    world.down();
    let gatekeeper = Arc::<Gatekeeper>::default();
    let guard = Arc::new(Guard::new(gatekeeper.clone(), GuardSettings::default()));
    let mut region = Region::new("london".parse().unwrap(), world.upstream.clone(), &Settings::default());
    region.guard = Some(guard.clone());
    world.snapshots().load(&region.cache).await;
    assert!(region.cache.started_warm());

    let stop = CancellationToken::new();
    let listen = async |router| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router, stop.clone()));
        address
    };
    let nobodys = Arc::new(Memory::new(world.clock.clone(), Random::seeded(1)));
    let data = listen(region.router(nobodys)).await;
    let admin = listen(region.admin_router("the origin", None, &stop)).await;
    let client = Client::new(&format!("http://{data}"), &ClientSettings::default()).unwrap();
    let token = BearerToken::new("a-token").unwrap();
    let client = client.with_credentials(Credentials::Token(token));
    let read = async || client.get(&namespace(), &key("k"), &GetOptions::default()).await;

    assert_eq!(read().await.unwrap_err().reason(), Reason::Unavailable);
    let ready = crate::process::get(admin, "/readyz").await;
    assert!(ready.contains("503") && ready.contains("the first answer of the origin"), "{ready}");

    gatekeeper.reachable.store(true, Ordering::SeqCst);
    let answer = read().await.unwrap();
    assert!(matches!(answer.body, Lookup::Found(_)));
    assert_eq!(answer.state.served.status, CacheStatus::Hit);
    stop.cancel();
    guard.shutdown().await;
    region.cache.shutdown().await;
}
