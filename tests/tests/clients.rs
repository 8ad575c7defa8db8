//! The real clients of Workers KV: the tests of `tests/conformance`, run by Node, against an edge of the
//! development mode, and against an operator and an edge on the real control plane.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::path::Path;

use nearkv_test_assets::CLIENTS;
use nearkv_tests::binaries::Binaries;
use nearkv_tests::folders::new_folder;
use nearkv_tests::nearkv::Dev;
use nearkv_tests::node::run_tests;
use nearkv_tests::{Scenario, eventually};

/// workerd's binding in a Worker; wrangler and the SDK; and what all of them make of the same keys.
const PATTERNS: [&str; 2] = ["binding/*.test.js", "rest/*.test.js"];

/// The largest values are written again and again, 150 MiB of them in a minute: more than an operator sends to an API
/// server that others need too, and nearly as much as one may hold.
const ROOM: [&str; 4] = ["--pace-bytes-per-second", "16Mi", "--budget-bytes", "1Gi"];

fn namespaces() -> String {
    std::fs::read_to_string(Path::new(CLIENTS).join("namespaces.yaml")).unwrap()
}

async fn run(name: &str, edge: &str, account: &str) {
    let kubectl_kv = tokio::task::block_in_place(Binaries::build).unwrap().kubectl_kv.display().to_string();
    let environment =
        [("NEARKV_URL", edge), ("NEARKV_ACCOUNT", account), ("NEARKV_KUBECTL_KV", kubectl_kv.as_str())];
    let printed = run_tests(name, &PATTERNS, &environment).await.unwrap();
    println!("{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unmodified_clients_of_workers_kv_work_against_the_development_mode() {
    let folder = new_folder("clients").unwrap();
    let manifest = Path::new(CLIENTS).join("namespaces.yaml");
    let dev = Dev::start("clients-dev", &folder.join("data"), &[&manifest], &["london"], &[]).await.unwrap();
    run("clients-of-dev", dev.region("london").unwrap(), "default").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unmodified_clients_of_workers_kv_work_against_an_operator_and_an_edge() {
    let scenario = Scenario::start(&ROOM).await.unwrap();
    scenario.namespace.apply(&namespaces()).await.unwrap();
    eventually("all KvNamespaces are ready", async || {
        let arguments = ["wait", "--for=condition=Ready", "--timeout=20s", "kvns", "--all"];
        scenario.namespace.kubectl(&arguments).await.map_err(|error| error.to_string())
    })
    .await
    .unwrap();
    let edge = scenario.edge("london").await.unwrap();
    run("clients-of-cluster", edge.url(), scenario.namespace.name()).await;
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}
