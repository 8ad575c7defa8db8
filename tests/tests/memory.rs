//! A bulk put of the largest size takes a few chunks of memory, whatever it is made of: at the origin and
//! through an edge, of the development mode and on the real control plane. Measured on the processes themselves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{StreamExt, stream};
use nearkv::Namespace;
use nearkv_tests::folders::new_folder;
use nearkv_tests::http::patient_client;
use nearkv_tests::memory::{Growth, mib};
use nearkv_tests::nearkv::{Dev, UNPACED};
use nearkv_tests::scenario::kv_namespace;
use nearkv_tests::{Process, Scenario};
use reqwest::StatusCode;

/// Most that a process may grow by while it takes a bulk of 100 MB (issue: 32 MiB above idle).
const MOST: u64 = 32 * 1024 * 1024;
/// For one bulk: ten thousand objects, each made durable, on a slow and busy disk.
const PATIENCE: Duration = Duration::from_secs(300);
/// Quota for all that is written here.
const SPEC: &str = "{quota: {maxBytes: 512Mi}}";
/// Both bulks at once are more than an operator may hold, and than it sends to an API server that others need too.
const ROOM: [&str; 2] = ["--budget-bytes", "1Gi"];
/// 10,000 pairs whose values have 10 KB each: as many as there may be.
fn many() -> Vec<Bytes> {
    let value = "v".repeat(10_000);
    (0..10_000).map(|n| Bytes::from(format!(r#"{{"key":"many/{n:05}","value":"{value}"}}"#))).collect()
}

/// Four pairs with a text of 24 MB each, nearly the largest there may be: with the key before it and behind it, with
/// escapes, and in base64, which stands behind it.
fn few() -> Vec<Bytes> {
    let text = "v".repeat(24_000_000);
    let escaped = r"\u00fc\n".repeat(3_000_000);
    let base64 = BASE64_STANDARD.encode(vec![0xfe; 18_000_000]);
    vec![
        format!(r#"{{"key":"few/1","value":"{text}"}}"#).into(),
        format!(r#"{{"value":"{text}","metadata":{{"at":"the end"}},"key":"few/2"}}"#).into(),
        format!(r#"{{"key":"few/3","value":"{escaped}","expiration_ttl":600}}"#).into(),
        format!(r#"{{"key":"few/4","value":"{base64}","base64":true}}"#).into(),
    ]
}

/// An array of these elements as it is sent.
fn body(elements: Vec<Bytes>) -> reqwest::Body {
    let commas = (0..elements.len()).map(|n| Bytes::from_static(if n == 0 { b"[" } else { b"," }));
    let pieces: Vec<Bytes> = commas.zip(elements).flat_map(|(comma, element)| [comma, element]).collect();
    let pieces = stream::iter(pieces).chain(stream::once(async { Bytes::from_static(b"]") }));
    reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>))
}

/// Puts both bulks at `url`, and judges what each of the processes has grown by meanwhile.
async fn judge(what: &str, url: &str, namespace: &Namespace, processes: &[&Process]) {
    let rest = format!(
        "{url}/client/v4/accounts/{}/storage/kv/namespaces/{}/bulk",
        namespace.account(),
        namespace.id()
    );
    let client = patient_client(PATIENCE);
    let put = async |elements| {
        let answer = client.put(&rest).body(body(elements)).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{what}: {text}");
    };
    // Whatever is made once, is made now.
    put(vec![Bytes::from_static(br#"{"key":"first","value":"v"}"#)]).await;
    let mut too_much = Vec::new();
    for (name, elements) in [("4 pairs x 24 MB", few()), ("10,000 pairs x 10 KB", many())] {
        let growths: Vec<Growth> = processes.iter().map(|process| Growth::of(process).unwrap()).collect();
        let started = Instant::now();
        put(elements).await;
        let took = started.elapsed().as_secs_f64();
        for (process, growth) in processes.iter().zip(&growths) {
            let (peak, before) = (growth.peak().unwrap(), growth.before());
            let said = format!("{what}, {name}: {} grew by {}", process.name(), mib(peak));
            println!("{said} (from {}) in {took:.1} s", mib(before));
            if peak > MOST {
                too_much.push(said);
            }
        }
    }
    assert!(too_much.is_empty(), "more than {}: {too_much:#?}", mib(MOST));
    let value = format!("{url}/kv/{namespace}/");
    let read =
        async |key: &str| client.get(format!("{value}{key}")).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(read("few/3").await, "\u{fc}\n".repeat(3_000_000));
    assert_eq!(read("few/4").await, vec![0xfe; 18_000_000]);
    assert_eq!(read("many/09999").await.len(), 10_000);
}

async fn dev(name: &str) -> Dev {
    let folder = new_folder(name).unwrap();
    let manifest = folder.join("bulk.yaml");
    std::fs::write(&manifest, kv_namespace("bulk", SPEC)).unwrap();
    Dev::start(name, &folder.join("data"), &[&manifest], &["london"], &[]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_of_100_mb_takes_a_bounded_memory_at_the_origin_of_the_development_mode() {
    let dev = dev("memory-origin").await;
    let namespace = Namespace::new("default", "bulk").unwrap();
    judge("at the origin", dev.origin(), &namespace, &[&dev.process]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_of_100_mb_takes_a_bounded_memory_through_an_edge_of_the_development_mode() {
    let dev = dev("memory-edge").await;
    let namespace = Namespace::new("default", "bulk").unwrap();
    judge("through an edge", dev.region("london").unwrap(), &namespace, &[&dev.process]).await;
}

/// An operator with a KvNamespace that has room for both bulks.
async fn cluster() -> (Scenario, Namespace) {
    let scenario = Scenario::start(&[ROOM.as_slice(), &UNPACED].concat()).await.unwrap();
    scenario.apply_ready(SPEC).await.unwrap();
    let namespace = Namespace::new(scenario.namespace.name(), "settings").unwrap();
    (scenario, namespace)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_of_100_mb_takes_a_bounded_memory_at_an_operator() {
    let (scenario, namespace) = cluster().await;
    judge("at an operator", scenario.operator.url(), &namespace, &[&scenario.operator.process]).await;
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_of_100_mb_takes_a_bounded_memory_at_an_edge_and_at_the_operator_behind_it() {
    let (scenario, namespace) = cluster().await;
    let edge = scenario.edge("london").await.unwrap();
    let processes = [&edge.process, &scenario.operator.process];
    judge("through an edge of an operator", edge.url(), &namespace, &processes).await;
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}
