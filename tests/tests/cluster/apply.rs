//! From `kubectl apply` to a read at an edge, and back to nothing.

use nearkv_tests::{Scenario, eventually};

const SETTINGS: &str = "
  title: SETTINGS
  entries:
  - {key: site_title, value: My Awesome Blog}
  - {key: flags/new_ui, value: \"true\", metadata: {owner: web}}
";

#[tokio::test(flavor = "multi_thread")]
async fn an_applied_kvnamespace_becomes_ready_and_is_read_at_an_edge() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready(SETTINGS).await.unwrap();
    let edge = scenario.edge("london").await.unwrap();
    let settings = scenario.settings(&edge);

    let title = settings.get("site_title").await.unwrap().ok().unwrap();
    assert_eq!(title.body, "My Awesome Blog");
    let flag = settings.get("flags%2Fnew_ui").await.unwrap().ok().unwrap();
    assert_eq!(flag.body, "true");
    assert_eq!(flag.header("CF-KV-Metadata"), Some("{\"owner\":\"web\"}"));
    assert_eq!(settings.list("").await.unwrap(), ["flags/new_ui", "site_title"]);
    assert_eq!(settings.get("nothing").await.unwrap().value().unwrap(), None);

    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn its_data_can_be_read_with_kubectl() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready(SETTINGS).await.unwrap();
    scenario.settings(&scenario.operator).put("greeting", "Grüß Gott").await.unwrap().ok().unwrap();

    let root = scenario.namespace.kubectl(&["get", "cm", "settings.kv", "-o", "yaml"]).await.unwrap();
    for text in ["\"put\":\"site_title\"", "My Awesome Blog", "\"put\":\"greeting\"", "Grüß Gott"] {
        assert!(root.contains(text), "no {text} in {root}");
    }
    let table = scenario.namespace.kubectl(&["get", "kvns"]).await.unwrap();
    assert!(table.starts_with("NAME") && table.contains("READY") && table.contains("settings"), "{table}");
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_kvnamespace_takes_every_configmap_with_it() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready(SETTINGS).await.unwrap();
    let settings = scenario.settings(&scenario.operator);
    // More than fits into the root: segments and chunks of values.
    for number in 0..12 {
        settings.put(&format!("page/{number}"), "x".repeat(3_000)).await.unwrap().ok().unwrap();
    }
    settings.put("image", "y".repeat(600_000)).await.unwrap().ok().unwrap();
    for part in ["root", "log", "value"] {
        assert!(!scenario.config_maps(Some(part)).await.unwrap().is_empty(), "no {part}");
    }

    scenario.namespace.kubectl(&["delete", "kvns", "settings"]).await.unwrap();

    scenario.until_all_data_are_gone().await.unwrap();
    eventually("No such KvNamespace", async || match settings.get("site_title").await {
        Ok(answer) if answer.status == 400 && answer.body.starts_with("No such KvNamespace") => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kvnamespace_made_again_starts_empty() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready("{}").await.unwrap();
    let settings = scenario.settings(&scenario.operator);
    settings.put("mine", "old").await.unwrap().ok().unwrap();
    scenario.namespace.kubectl(&["delete", "kvns", "settings"]).await.unwrap();

    scenario.apply_ready("{}").await.unwrap();
    assert_eq!(settings.get("mine").await.unwrap().value().unwrap(), None);
    settings.put("mine", "new").await.unwrap().ok().unwrap();
    assert_eq!(settings.get("mine").await.unwrap().value().unwrap().as_deref(), Some("new"));
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_kvnamespace_made_again_has_its_data() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready("{deletionPolicy: Retain}").await.unwrap();
    let settings = scenario.settings(&scenario.operator);
    settings.put("mine", "kept").await.unwrap().ok().unwrap();
    scenario.namespace.kubectl(&["delete", "kvns", "settings"]).await.unwrap();
    eventually("No such KvNamespace", async || match settings.get("mine").await {
        Ok(answer) if answer.status == 400 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await
    .unwrap();
    assert!(!scenario.config_maps(Some("root")).await.unwrap().is_empty());

    scenario.apply_ready("{deletionPolicy: Retain}").await.unwrap();
    assert_eq!(settings.get("mine").await.unwrap().value().unwrap().as_deref(), Some("kept"));
    scenario.end().await.unwrap();
}
