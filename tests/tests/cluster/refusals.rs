//! Manifests whose faults only the controller can see. What the API server refuses: `tests/manifests.rs`.

use nearkv_tests::{Scenario, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_controller_can_see_is_a_condition_and_the_rest_works() {
    let scenario = Scenario::start(&[]).await.unwrap();
    let other = "{apiVersion: v1, kind: ConfigMap, metadata: {name: other}, data: {twice: b}}";
    scenario.namespace.apply(other).await.unwrap();
    let long_metadata = format!(
        "{{entries: [{{key: good, value: x}}, {{key: described, value: x, metadata: {}}}]}}",
        "m".repeat(1025)
    );
    for (spec, reason, named) in [
        (
            "{entries: [{key: good, value: x}], entriesFrom: [{configMapRef: {name: nowhere}}]}",
            "ConfigMapMissing",
            "nowhere",
        ),
        (
            "{entries: [{key: good, value: x}, {key: twice, value: a}],
              entriesFrom: [{configMapRef: {name: other}}]}",
            "KeyDeclaredTwice",
            "twice",
        ),
        (
            "{entries: [{key: good, value: x}, {key: fat, value: abcdefghij}], quota: {maxBytes: 8}}",
            "QuotaExceeded",
            "fat",
        ),
        (long_metadata.as_str(), "MetadataInvalid", "described"),
    ] {
        scenario.apply(spec).await.unwrap();
        eventually(&format!("a condition that names {named}"), async || {
            let entries = scenario.condition("EntriesSynced").await.map_err(|error| error.to_string())?;
            if entries.starts_with(&format!("False {reason} ")) && entries.contains(named) {
                Ok(())
            } else {
                Err(entries)
            }
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
