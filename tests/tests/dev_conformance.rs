//! What every Workers KV must do, asked of an edge of a running development mode: edge, origin and folder in one, over
//! real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helpers")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use nearkv::http::Client;
use nearkv::http::client::ClientSettings;
use nearkv::testing::{Harness, conformance, wire};
use nearkv::{Clock, Kv, Namespace, SystemClock, UnixMillis};
use nearkv_tests::folders::new_folder;
use nearkv_tests::nearkv::Dev;
use nearkv_tests::scenario::kv_namespace;

/// The edge, and the KvNamespaces that no case has had yet.
struct Edge {
    client: Arc<Client>,
    next: AtomicUsize,
}

#[async_trait]
impl Harness for Edge {
    fn kv(&self) -> Arc<dyn Kv> {
        self.client.clone()
    }

    async fn fresh(&self) -> Namespace {
        Namespace::new("default", &name(self.next.fetch_add(1, Ordering::Relaxed))).unwrap()
    }

    fn now(&self) -> UnixMillis {
        SystemClock.now()
    }

    async fn advance(&self, _: Duration) -> bool {
        false
    }
}

fn name(number: usize) -> String {
    format!("case-{number}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_of_the_development_mode_does_what_every_workers_kv_does() {
    // Each wire case is asked in two forms; some conformance cases want a second KvNamespace.
    let cases = wire::cases().len() + wire::rest_cases().len() + conformance::cases().len();
    let wanted = 2 * cases;
    let folder = new_folder("conformance").unwrap();
    let manifest = folder.join("cases.yaml");
    let all: Vec<String> = (0..wanted).map(|number| kv_namespace(&name(number), "{}")).collect();
    std::fs::write(&manifest, all.join("---\n")).unwrap();
    let dev = Dev::start("conformance", &folder.join("data"), &[&manifest], &["london"], &[]).await.unwrap();

    let url = dev.region("london").unwrap();
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    let client = Client::new(url, &ClientSettings::default()).unwrap();
    let harness: Arc<dyn Harness> = Arc::new(Edge { client: Arc::new(client), next: AtomicUsize::new(0) });
    wire::run_all(address, &harness).await.unwrap_or_else(|failed| panic!("{failed}"));
    wire::run_rest(address, &harness).await.unwrap_or_else(|failed| panic!("{failed}"));
    conformance::run_all(&harness).await.unwrap_or_else(|failed| panic!("{failed}"));
}
