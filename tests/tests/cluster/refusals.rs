//! Bad manifests: what the API server refuses, and what only the controller can see.

use nearkv_tests::scenario::{install_crds, kv_namespace};
use nearkv_tests::{ControlPlane, Scenario, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_manifest_is_refused_by_the_api_server() {
    let control_plane = ControlPlane::shared().await.unwrap();
    install_crds(control_plane).await.unwrap();
    let namespace = control_plane.namespace().await.unwrap();
    let long_name = "n".repeat(53);
    let long_key = format!("{{entries: [{{key: {}, value: x}}]}}", "k".repeat(513));
    for (name, spec, refusal) in [
        (long_name.as_str(), "{}", "52"),
        ("two.labels", "{}", "DNS label"),
        ("settings", "{entries: [{key: \"\", value: x}]}", "spec.entries[0].key"),
        ("settings", "{entries: [{key: \"..\", value: x}]}", "spec.entries[0]"),
        ("settings", long_key.as_str(), "spec.entries[0]"),
        ("settings", "{entries: [{value: x}]}", "spec.entries[0].key"),
        ("settings", "{entries: [{key: a, value: 5}]}", "spec.entries[0].value"),
        ("settings", "{cache: {ttlSeconds: -1}}", "spec.cache.ttlSeconds"),
        ("settings", "{expiration: {minTtlSeconds: 0}}", "spec.expiration.minTtlSeconds"),
        ("settings", "{deletionPolicy: Perhaps}", "spec.deletionPolicy"),
        ("settings", "{quota: {maxKeys: -1}}", "spec.quota.maxKeys"),
        ("settings", "{entriesFrom: [{prefix: \"fr/\"}]}", "configMapRef"),
        ("settings", "{entrys: []}", "entrys"),
    ] {
        match namespace.apply(&kv_namespace(name, spec)).await {
            Ok(_) => panic!("accepted: {name} {spec}"),
            Err(error) => assert!(error.to_string().contains(refusal), "{name} {spec}: {error}"),
        }
    }
    let left = namespace.kubectl(&["get", "kvns", "-o", "name"]).await.unwrap();
    assert_eq!(left, "");
    namespace.delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_controller_can_see_is_a_condition_and_the_rest_works() {
    let scenario = Scenario::start(&[]).await.unwrap();
    for (spec, named) in [
        ("{entries: [{key: good, value: x}], entriesFrom: [{configMapRef: {name: nowhere}}]}", "nowhere"),
        ("{entries: [{key: good, value: x}, {key: twice, value: a}, {key: twice, value: b}]}", "twice"),
        ("{entries: [{key: good, value: x}, {key: fat, value: abcdefghij}], quota: {maxBytes: 8}}", "fat"),
    ] {
        scenario.apply(spec).await.unwrap();
        eventually(&format!("a condition that names {named}"), async || {
            let entries = scenario.condition("EntriesSynced").await.map_err(|error| error.to_string())?;
            if entries.starts_with("False ") && entries.contains(named) { Ok(()) } else { Err(entries) }
        })
        .await
        .unwrap();
        let settings = scenario.settings(&scenario.operator);
        let good = settings.get("good").await.unwrap().value().unwrap();
        assert_eq!(good.as_deref(), Some("x"), "{spec}");
        scenario.namespace.kubectl(&["delete", "kvns", "settings"]).await.unwrap();
    }
    scenario.end().await.unwrap();
}
