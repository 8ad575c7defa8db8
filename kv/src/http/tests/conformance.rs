//! The conformance cases over the model itself, over one hop and two, and the wire cases.

use super::*;
use crate::testing::{conformance, wire};

fn report(result: Result<(), String>) {
    if let Err(failures) = result {
        panic!("\n{failures}");
    }
}

#[tokio::test]
async fn memory_conforms() {
    let harness: Arc<dyn Harness> = Arc::new(MemoryHarness::new());
    report(conformance::run_all(&harness).await);
}

async fn conforms_over_one_hop(protocol: Protocol) {
    let memory = MemoryHarness::new();
    let server = Running::over(memory.memory.clone(), &Settings::default()).await;
    let harness = memory.behind(server.client(protocol));
    report(conformance::run_all(&harness).await);
}

#[tokio::test]
async fn the_client_conforms_over_http_1() {
    conforms_over_one_hop(Protocol::Http1).await;
}

#[tokio::test]
async fn the_client_conforms_over_h2c() {
    conforms_over_one_hop(Protocol::H2c).await;
}

#[tokio::test]
async fn a_server_over_a_client_conforms() {
    let memory = MemoryHarness::new();
    let origin = Running::over(memory.memory.clone(), &Settings::default()).await;
    let upstream = Arc::new(origin.client(Protocol::H2c));
    let edge =
        Running::over(upstream, &Settings { region: Some("london".to_owned()), ..Default::default() }).await;
    let harness = memory.behind(edge.client(Protocol::Http1));
    report(conformance::run_all(&harness).await);
}

#[tokio::test]
async fn a_server_answers_as_the_contract_says_on_the_wire() {
    let memory = MemoryHarness::new();
    let server = Running::over(memory.memory.clone(), &Settings::default()).await;
    let harness: Arc<dyn Harness> = Arc::new(memory);
    report(wire::run_all(server.address, &harness).await);
}

#[tokio::test]
async fn a_server_over_a_client_answers_the_same_on_the_wire() {
    let memory = MemoryHarness::new();
    let origin = Running::over(memory.memory.clone(), &Settings::default()).await;
    let upstream = Arc::new(origin.client(Protocol::Http1));
    let edge =
        Running::over(upstream, &Settings { region: Some("london".to_owned()), ..Default::default() }).await;
    let harness: Arc<dyn Harness> = Arc::new(memory);
    report(wire::run_all(edge.address, &harness).await);
}

#[tokio::test]
async fn a_server_answers_over_rest_as_the_contract_says() {
    let memory = MemoryHarness::new();
    let faces = router(memory.memory.clone(), memory.memory.clone(), &Settings::default());
    let server = Running::with(faces).await;
    let harness: Arc<dyn Harness> = Arc::new(memory);
    report(wire::run_rest(server.address, &harness).await);
}

#[tokio::test]
async fn a_server_over_a_client_answers_the_same_over_rest() {
    let memory = MemoryHarness::new();
    let faces = router(memory.memory.clone(), memory.memory.clone(), &Settings::default());
    let origin = Running::with(faces).await;
    let upstream = Arc::new(origin.client(Protocol::H2c));
    let edge = Running::with(router(upstream.clone(), upstream, &Settings::default())).await;
    let harness: Arc<dyn Harness> = Arc::new(memory);
    report(wire::run_rest(edge.address, &harness).await);
}
