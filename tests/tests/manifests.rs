//! The API server judges manifests of KvNamespaces by the schema and its CEL rules as nearkv's own check does
//! (`controller/src/api/check`), which stands in for it in development mode: one table for both.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use nearkv_controller::api::{ByteSize, manifests};
use nearkv_tests::install::install_crds;
use nearkv_tests::{ControlPlane, TestNamespace};

async fn namespace_with_crd() -> TestNamespace {
    let control_plane = ControlPlane::shared().await.unwrap();
    install_crds(control_plane).await.unwrap();
    control_plane.namespace().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_refuses_every_bad_manifest_and_says_why() {
    let namespace = namespace_with_crd().await;
    for case in manifests::bad() {
        let applied = namespace.apply(&case.manifest.to_string()).await;
        let refusal = applied.expect_err(case.name).to_string();
        assert!(refusal.contains(case.message), "{}: {refusal} lacks {:?}", case.name, case.message);
    }
    let left = namespace.kubectl(&["get", "kvns", "-o", "name"]).await.unwrap();
    assert_eq!(left, "");
    namespace.delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_every_good_manifest_and_fills_in_the_same_defaults() {
    let namespace = namespace_with_crd().await;
    for (name, manifest) in manifests::good() {
        namespace.apply(&manifest.to_string()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let object = manifest["metadata"]["name"].as_str().unwrap();
        let stored = namespace.kubectl(&["get", "kvns", object, "-o", "json"]).await.unwrap();
        let mut stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
        // The API server keeps a quantity as it was written.
        let quantity = &mut stored["spec"]["quota"]["maxBytes"];
        let bytes: ByteSize = serde_json::from_value(quantity.take()).unwrap();
        *quantity = serde_json::to_value(bytes).unwrap();
        let checked = nearkv_controller::api::parse_manifest(manifest.clone()).unwrap();
        assert_eq!(stored["spec"], serde_json::to_value(checked.spec).unwrap(), "{name}");
        namespace.kubectl(&["delete", "kvns", object]).await.unwrap();
    }
    namespace.delete().await.unwrap();
}
