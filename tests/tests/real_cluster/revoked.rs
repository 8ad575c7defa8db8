//! What was taken away is refused within a minute, at edges that have the value in their cache.

use std::time::{Duration, Instant};

use nearkv_tests::kv::Kv;
use nearkv_tests::scenario::kv_namespace;
use tokio::time::sleep;

use crate::release::{Release, TEAM};

/// How long an edge may remember that a token was good (docs/access-control.md), and a moment for the request.
const REMEMBERED: Duration = Duration::from_secs(61);
/// Between two requests.
const POLL: Duration = Duration::from_millis(500);

pub(crate) async fn a_revoked_role_and_a_rotated_token_are_refused_within_a_minute(release: &Release<'_>) {
    tokio::join!(a_role(release), a_binding(release));
}

async fn a_role(release: &Release<'_>) {
    let kubectl = release.cluster.kubectl();
    kubectl.run(&["create", "serviceaccount", "-n", TEAM, "leaver"]).await.unwrap();
    let account = format!("--serviceaccount={TEAM}:leaver");
    let bind = ["create", "rolebinding", "-n", TEAM, "leaver", "--clusterrole=nearkv-viewer", &account];
    kubectl.run(&bind).await.unwrap();
    let edges = release.settings("nearkv-edge").await.bearing(&release.token("leaver").await);
    assert_eq!(edges.get("site_title").await.unwrap().status, 200);
    kubectl.run(&["delete", "rolebinding", "-n", TEAM, "leaver"]).await.unwrap();
    is_refused(&edges, "site_title", 403).await;
}

async fn a_binding(release: &Release<'_>) {
    let kubectl = release.cluster.kubectl();
    let spec = "{binding: {}, entries: [{key: plan, value: free}]}";
    kubectl.apply(TEAM, &kv_namespace("bound", spec)).await.unwrap();
    let bound = ["wait", "-n", TEAM, "--for=condition=Bound", "kvns/bound", "--timeout=60s"];
    kubectl.run(&bound).await.unwrap();
    let base = format!("{}/kv/{TEAM}/bound", release.url("nearkv-edge").await);
    let edges = Kv::new(base).bearing(&binding_token(release).await);
    assert_eq!(edges.get("plan").await.unwrap().status, 200);
    let rotate = ["annotate", "-n", TEAM, "kvns", "bound", "nearkv.dev/rotate-binding-token=now"];
    kubectl.run(&rotate).await.unwrap();
    is_refused(&edges, "plan", 401).await;
    let renewed = edges.bearing(&binding_token(release).await);
    assert_eq!(renewed.get("plan").await.unwrap().status, 200);
}

async fn binding_token(release: &Release<'_>) -> String {
    let token = "go-template={{.data.token | base64decode}}";
    release.cluster.kubectl().run(&["get", "secret", "-n", TEAM, "bound-kv", "-o", token]).await.unwrap()
}

/// Every edge behind the Service refuses in time, and goes on to do so.
async fn is_refused(edges: &Kv, key: &str, status: u16) {
    let (start, edges) = (Instant::now(), edges.clone().without_keep_alive());
    let mut last_served = None;
    while start.elapsed() < REMEMBERED {
        let answer = edges.get(key).await.unwrap();
        match answer.status.as_u16() {
            200 => last_served = Some(start.elapsed()),
            refused => assert_eq!(refused, status, "{}", answer.body),
        }
        sleep(POLL).await;
    }
    println!("{status} {last_served:?} after it was revoked at the latest");
    for _ in 0..10 {
        assert_eq!(edges.get(key).await.unwrap().status, status);
    }
}
