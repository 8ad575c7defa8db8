//! `examples/rbac.yaml` is enough: an operator with these permissions and no others serves, reconciles, tells
//! of it, and leads.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use std::time::Duration;

use nearkv_tests::binaries::Binaries;
use nearkv_tests::install::{install_crds, install_rbac};
use nearkv_tests::kv::Kv;
use nearkv_tests::ports::free_port;
use nearkv_tests::scenario::kv_namespace;
use nearkv_tests::{ControlPlane, Program, eventually};

/// The kubeconfig of the administrator, with the ServiceAccount's token in place of the other.
async fn kubeconfig(control_plane: &ControlPlane, folder: &std::path::Path) -> String {
    let create = ["-n", "nearkv-system", "create", "token", "nearkv-operator"];
    let token = control_plane.kubectl().run(&create).await.unwrap();
    let admin = std::fs::read_to_string(control_plane.kubeconfig()).unwrap();
    let (before, rest) = admin.split_once("token: \"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let path = folder.join("kubeconfig");
    std::fs::write(&path, format!("{before}token: \"{}\"{after}", token.trim())).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_permissions_are_all_that_the_operator_needs() {
    let control_plane = ControlPlane::shared().await.unwrap();
    if control_plane.is_given() {
        // An operator of the whole cluster is not for a cluster that others use.
        return;
    }
    install_crds(control_plane).await.unwrap();
    install_rbac(control_plane).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = kubeconfig(control_plane, folder.path()).await;

    let [listen, admin] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port().unwrap()));
    let binaries = tokio::task::block_in_place(Binaries::build).unwrap();
    let mut operator = Program::new("operator-with-rbac", binaries.operator)
        .args(["--listen", &listen, "--admin-listen", &admin, "--lease-namespace", "nearkv-system"])
        .args(["--service-url", "http://nearkv.nearkv-system.svc"])
        .env("KUBECONFIG", kubeconfig)
        .start()
        .unwrap();
    let limit = Duration::from_secs(60);
    operator.wait_for_url(&format!("http://{admin}/readyz"), limit).await.unwrap();

    let namespace = control_plane.namespace().await.unwrap();
    let spec =
        "{binding: {}, entries: [{key: a, value: one}], entriesFrom: [{configMapRef: {name: missing}}]}";
    namespace.apply(&kv_namespace("settings", spec)).await.unwrap();
    let ready = ["wait", "--for=condition=Ready", "--timeout=60s", "kvns/settings"];
    namespace.kubectl(&ready).await.unwrap();
    namespace.kubectl(&["create", "serviceaccount", "writer"]).await.unwrap();
    let subject = format!("--serviceaccount={}:writer", namespace.name());
    let bind = ["create", "rolebinding", "writer", "--clusterrole=nearkv-editor", &subject];
    namespace.kubectl(&bind).await.unwrap();
    let token = namespace.kubectl(&["create", "token", "writer", "--audience=nearkv"]).await.unwrap();
    let bound = ["wait", "--for=condition=Bound", "--timeout=60s", "kvns/settings"];
    namespace.kubectl(&bound).await.unwrap();
    let settings = Kv::new(format!("http://{listen}/kv/{}/settings", namespace.name())).bearing(token.trim());
    settings.put("b", "two").await.unwrap().ok().unwrap();
    assert_eq!(settings.get("a").await.unwrap().value().unwrap().as_deref(), Some("one"));
    eventually("an Event for the missing ConfigMap", async || {
        let reasons = ["get", "events", "-o", "jsonpath={.items[*].reason}"];
        let reasons = namespace.kubectl(&reasons).await.map_err(|error| error.to_string())?;
        if reasons.contains("ConfigMapMissing") { Ok(()) } else { Err(reasons) }
    })
    .await
    .unwrap();

    assert!(operator.terminate(limit).await.unwrap().success());
    let log = operator.log();
    assert!(!log.contains("orbidden"), "{log}");
}
