//! The API server judges manifests of KvNamespaces by the schema and its CEL rules as nearkv's own check does
//! (`operator/src/api/check`), which stands in for it in development mode: one table for both.

use nearkv_operator::api::{crd_yaml, manifests};
use nearkv_tests::{ControlPlane, TestNamespace};

async fn namespace_with_crd() -> TestNamespace {
    let control_plane = ControlPlane::shared().await.unwrap();
    control_plane.kubectl().apply("default", &crd_yaml().unwrap()).await.unwrap();
    let established = ["wait", "--for=condition=Established", "crd/kvnamespaces.nearkv.dev"];
    control_plane.kubectl().run(&established).await.unwrap();
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
        let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
        let checked = nearkv_operator::api::parse_manifest(manifest.clone()).unwrap();
        assert_eq!(stored["spec"], serde_json::to_value(checked.spec).unwrap(), "{name}");
        namespace.kubectl(&["delete", "kvns", object]).await.unwrap();
    }
    namespace.delete().await.unwrap();
}
