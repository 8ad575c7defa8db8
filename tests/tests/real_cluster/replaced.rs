//! Pods come and go under load: each is deleted in turn, then all are replaced by an upgrade, and by the way back.

use std::time::Duration;

use nearkv_tests::eventually;

use crate::load::Load;
use crate::release::{Release, SYSTEM};

/// Load before the first and after the last replacement.
const AROUND: Duration = Duration::from_secs(2);

pub(crate) async fn every_pod_is_deleted_in_turn_and_no_read_fails(release: &Release<'_>) {
    let before = release.pods().await;
    let load = Load::start(release, "deleted").await;
    tokio::time::sleep(AROUND).await;
    let kubectl = release.cluster.kubectl();
    for pod in &before {
        // Waits until it has gone: it has served its clients to the end by then.
        kubectl.run(&["delete", "pod", "-n", SYSTEM, pod, "--timeout=60s"]).await.unwrap();
        let all =
            ["wait", "-n", SYSTEM, "--for=condition=Available", "deployments", "--all", "--timeout=60s"];
        kubectl.run(&all).await.unwrap();
        eventually("as many pods as before, all ready", async || ready(release, before.len()).await)
            .await
            .unwrap();
    }
    tokio::time::sleep(AROUND).await;
    load.end(release).await;
    let after = release.pods().await;
    assert!(before.iter().all(|pod| !after.contains(pod)), "{before:?} and {after:?}");
}

pub(crate) async fn the_release_is_upgraded_and_rolled_back_and_no_read_fails(release: &Release<'_>) {
    let load = Load::start(release, "upgraded").await;
    tokio::time::sleep(AROUND).await;
    // Another annotation is another template of the pods, so all of them are replaced.
    let next = ["--set=operator.podAnnotations.version=next", "--set=edge.podAnnotations.version=next"];
    release.helm("upgrade", &next).await;
    let rollback = ["rollback", "nearkv", "1", "--namespace", SYSTEM, "--wait", "--timeout=180s"];
    if let Err(error) = release.cluster.helm().run(&rollback).await {
        panic!("{error:?}\n{}", release.state().await);
    }
    tokio::time::sleep(AROUND).await;
    load.end(release).await;
}

async fn ready(release: &Release<'_>, expected: usize) -> Result<(), String> {
    let path = "jsonpath={range .items[*]}{.status.conditions[?(@.type=='Ready')].status} {end}";
    let get = ["get", "pods", "-n", SYSTEM, "-o", path];
    let seen = release.cluster.kubectl().run(&get).await.map_err(|error| error.to_string())?;
    let states: Vec<&str> = seen.split_whitespace().collect();
    if states.len() == expected && states.iter().all(|state| *state == "True") { Ok(()) } else { Err(seen) }
}
