//! Everything that the OpenAPI document allows, and much that it forbids, asked of the development mode by a fuzzer that
//! was not written with nearkv.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::time::Duration;

use nearkv::Namespace;
use nearkv_tests::folders::new_folder;
use nearkv_tests::memory::{Growth, mib};
use nearkv_tests::nearkv::Dev;
use nearkv_tests::scenario::kv_namespace;
use nearkv_tests::schemathesis::{FOLDER, Fuzzing, fuzz};
use nearkv_tests::seed::seed_or;

/// How long the server is asked.
const TIME: Duration = Duration::from_secs(75);
/// The same each time, so that what fails has to do with what was changed; another is tried by hand.
const SEED: u64 = 4;
/// Most that the process may have grown by at the end, measured 4 MiB: what was put is kept in memory, also KvNamespaces
/// that were created.
const MOST: u64 = 16 * 1024 * 1024;

#[test]
fn most_requests_are_about_a_kv_namespace_that_is_there() {
    let configuration = std::fs::read_to_string(format!("{FOLDER}/schemathesis.toml")).unwrap();
    let id = Namespace::new("default", "fuzzed").unwrap().id().to_string();
    assert!(configuration.contains(&format!("values = [\"{id}\"]")), "the id of default/fuzzed is {id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_the_rest_face_is_as_the_openapi_document_says() {
    let folder = new_folder("fuzz").unwrap();
    let manifest = folder.join("fuzzed.yaml");
    std::fs::write(&manifest, kv_namespace("fuzzed", "{}")).unwrap();
    let mut dev = Dev::start("fuzz-dev", &folder.join("data"), &[&manifest], &["london"], &[]).await.unwrap();
    let url = dev.region("london").unwrap().to_owned();
    let growth = Growth::of(&dev.process).unwrap();

    let fuzzing =
        Fuzzing { document: &format!("{url}/client/v4/openapi.json"), seed: seed_or(SEED), time: TIME };
    println!("{}", fuzz("schemathesis", &fuzzing).await.unwrap());

    let status = dev.process.try_wait().unwrap();
    assert!(status.is_none(), "the server has ended: {status:?}");
    let log = dev.process.log();
    assert!(!log.contains("panicked at"), "{log}");
    let grown = growth.now().unwrap();
    println!("grew by {} (from {})", mib(grown), mib(growth.before()));
    assert!(grown <= MOST, "grew by {}, more than {}", mib(grown), mib(MOST));
}
