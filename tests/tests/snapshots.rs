//! An edge with `--snapshot-dir` before the development mode's origin: it ends, its origin goes away, and it starts anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use nearkv_tests::eventually::eventually;
use nearkv_tests::folders::new_folder;
use nearkv_tests::kv::Answer;
use nearkv_tests::nearkv::{Dev, STOP_LIMIT, Server};
use nearkv_tests::scenario::kv_namespace;
use tokio::time::{Instant, sleep};

/// Short, so that a test can wait until it is over.
const TTL: Duration = Duration::from_secs(2);

async fn metric(edge: &Server, series: &str) -> f64 {
    edge.metrics().await.unwrap().value(series).unwrap()
}

fn age(answer: &Answer) -> Duration {
    Duration::from_millis(answer.header("Nearkv-Age").unwrap().parse().unwrap())
}

fn status(answer: &Answer) -> &str {
    answer.header("CF-Cache-Status").unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_starts_anew_while_its_origin_is_away_answers_from_its_snapshot() {
    let folder = new_folder("snapshots").unwrap();
    let (manifest, kept) = (folder.join("settings.yaml"), folder.join("kept"));
    let spec = format!("{{cache: {{ttlSeconds: {}, staleIfErrorSeconds: 600}}}}", TTL.as_secs());
    fs::write(&manifest, kv_namespace("settings", &spec)).unwrap();
    let data = folder.join("data");
    let mut dev = Dev::start("snapshots.dev", &data, &[&manifest], &["london"], &[]).await.unwrap();
    let flag = format!("--snapshot-dir={}", kept.display());
    let mut edge = Server::edge("snapshots.edge", dev.origin(), "paris", &[&flag]).await.unwrap();
    let origin = nearkv_tests::Kv::new(format!("{}/kv/default/settings", dev.origin()));
    let at_edge = nearkv_tests::Kv::new(edge.kv("default", "settings"));

    for (key, value) in
        [("stays", "one".to_owned()), ("goes", "two".to_owned()), ("large", "x".repeat(300_000))]
    {
        origin.put(key, value).await.unwrap().ok().unwrap();
    }
    let read = Instant::now();
    for key in ["stays", "goes", "large", "never"] {
        at_edge.get(key).await.unwrap();
    }
    let read_until = Instant::now();
    assert!(edge.process.terminate(STOP_LIMIT).await.unwrap().success());
    let file = kept.join("edge.final.snapshot");
    assert_eq!(mode(&file), 0o600);

    origin.delete("goes").await.unwrap().ok().unwrap();
    assert!(dev.process.terminate(STOP_LIMIT).await.unwrap().success());
    sleep(TTL).await;
    edge.restart().unwrap();
    // Nobody has to decide who may read, so it is ready with what it has.
    edge.wait_until_ready().await.unwrap();
    assert_eq!(metric(&edge, "nearkv_edge_snapshot_loaded_entries").await, 4.0);
    for (key, value) in [("stays", Some("one")), ("goes", Some("two")), ("never", None)] {
        let oldest = read.elapsed() + Duration::from_millis(20);
        let answer = at_edge.get(key).await.unwrap();
        assert_eq!(status(&answer), "STALE", "{key}");
        let age = age(&answer);
        assert!(read_until.elapsed() <= age + Duration::from_millis(20), "{key} has become younger: {age:?}");
        assert!(age <= oldest + Duration::from_secs(1), "{key} has become older: {age:?}");
        assert_eq!(answer.value().unwrap().as_deref(), value, "{key}");
    }
    assert_eq!(at_edge.get("large").await.unwrap().body.len(), 300_000);
    assert_eq!(at_edge.get("unread").await.unwrap().status, 503);

    dev.restart().await.unwrap();
    eventually("what was deleted meanwhile is gone", async || {
        let answer = at_edge.get("goes").await.map_err(|error| error.to_string())?;
        match (answer.status.as_u16(), status(&answer)) {
            (404, _) => Ok(()),
            (200, "STALE") => Err("still served stale".to_owned()),
            (code, word) => panic!("{code} {word}: it is served as if it were fresh"),
        }
    })
    .await
    .unwrap();
    assert_eq!(at_edge.get("stays").await.unwrap().value().unwrap().as_deref(), Some("one"));

    // What is left of a file is not loaded, and the next snapshot replaces it.
    assert!(edge.process.terminate(STOP_LIMIT).await.unwrap().success());
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    edge.restart().unwrap();
    edge.wait_until_ready().await.unwrap();
    assert_eq!(metric(&edge, r#"nearkv_edge_snapshot_loads_total{outcome="damaged"}"#).await, 1.0);
    let log = edge.process.log();
    assert!(log.contains("edge.snapshot") && log.contains("it is cut off"), "{log}");
    assert_eq!(status(&at_edge.get("stays").await.unwrap()), "MISS");
    edge.stop().await.unwrap();
    assert!(dev.process.terminate(STOP_LIMIT).await.unwrap().success());
}
