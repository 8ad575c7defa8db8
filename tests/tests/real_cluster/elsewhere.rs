//! Edges without an operator, in front of an origin that is somebody else's release: as in another cluster.

use nearkv_tests::eventually;
use nearkv_tests::kv::{Answer, Kv};

use crate::release::{APPLICATION, Release, SYSTEM, TEAM};

/// Their Kubernetes namespace.
const FAR: &str = "far-away";

pub(crate) async fn edges_alone_are_in_front_of_an_origin_elsewhere(release: &Release<'_>) {
    let kubectl = release.cluster.kubectl();
    kubectl.run(&["create", "namespace", FAR]).await.unwrap();
    // What the origin's side hands over: a token that may fetch, and nothing else.
    let token = ["create", "token", "-n", SYSTEM, "nearkv-edge", "--audience=nearkv", "--duration=1h"];
    let token = format!("--from-literal=token={}", kubectl.run(&token).await.unwrap().trim());
    kubectl.run(&["create", "secret", "generic", "-n", FAR, "origin-token", &token]).await.unwrap();
    let origin = format!("--set=edge.origin.url=http://nearkv-operator.{SYSTEM}.svc:8700");
    let values = [
        "--set=operator.enabled=false,crds.enabled=false,rbac.aggregatedRoles=false",
        "--set=edge.origin.tokenSecretName=origin-token,edge.replicas=1,image.pullPolicy=Never",
        &origin,
    ];
    release.helm_of("install", "far", FAR, &values).await;
    let far = Kv::new(format!("{}/kv/{TEAM}/settings", release.url_in(FAR, "far-nearkv-edge").await));
    let application = far.bearing(&release.token(APPLICATION).await);
    // The pods are ready; that kube-proxy knows it takes another moment.
    let read = eventually("a read at the Service of the far edges", async || {
        application.get("site_title").await.and_then(Answer::value).map_err(|error| error.to_string())
    });
    assert_eq!(read.await.unwrap().as_deref(), Some("My Awesome Blog"));
    assert_eq!(far.bearing(&release.token("default").await).get("site_title").await.unwrap().status, 403);
    application.put("from_far", "away").await.unwrap().ok().unwrap();
    let near = release.settings("nearkv-edge").await;
    eventually("the far edge's write near the origin", async || {
        match near.get("from_far").await.and_then(Answer::value).map_err(|error| error.to_string())? {
            Some(value) if value == "away" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    release.cluster.helm().run(&["uninstall", "far", "--namespace", FAR, "--wait"]).await.unwrap();
}
