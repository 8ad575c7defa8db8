//! From development mode to a cluster: `kubectl apply` of the state directory, and the operator takes the data up.

use nearkv_tests::folders::new_folder;
use nearkv_tests::nearkv::{Dev, STOP_LIMIT};
use nearkv_tests::scenario::Scenario;

/// Enough keys for segments, a manifest and pages beside the root.
const KEYS: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn the_state_directory_of_development_mode_is_applied_to_a_cluster_with_all_its_data() {
    let scenario = Scenario::start(&[]).await.unwrap();
    let account = scenario.namespace.name();
    let folder = new_folder("moving").unwrap();
    let manifest = folder.join("settings.yaml");
    let object = format!(
        "apiVersion: nearkv.dev/v1alpha1\nkind: KvNamespace\nmetadata: {{name: settings, namespace: {account}}}\n\
         spec: {{entries: [{{key: title, value: Blog}}], entriesFrom: [{{configMapRef: {{name: fr}}, prefix: fr/}}]}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: fr, namespace: {account}}}\ndata: {{hello: Bonjour}}\n"
    );
    std::fs::write(&manifest, object).unwrap();

    let data = folder.join("data");
    let mut dev = Dev::start("moving", &data, &[&manifest], &["london"], &[]).await.unwrap();
    let local = dev.kv("london", account, "settings");
    for key in 0..KEYS {
        local.put(&format!("key-{key}"), format!("{key}-{}", "x".repeat(200))).await.unwrap().ok().unwrap();
    }
    let large = "large".repeat(20_000);
    local.put("large", large.clone()).await.unwrap().ok().unwrap();
    assert!(dev.process.terminate(STOP_LIMIT).await.unwrap().success());

    let data = data.display().to_string();
    scenario.namespace.kubectl(&["apply", "--server-side", "-R", "-f", &data]).await.unwrap();
    scenario.wait_for("Ready").await.unwrap();
    scenario.wait_for("EntriesSynced").await.unwrap();

    let kv = scenario.settings(&scenario.operator);
    let mut names: Vec<String> = (0..KEYS).map(|key| format!("key-{key}")).collect();
    names.extend(["large", "title", "fr/hello"].map(str::to_owned));
    names.sort();
    assert_eq!(kv.list("").await.unwrap(), names);
    for (key, value) in
        [("key-7", format!("7-{}", "x".repeat(200))), ("large", large), ("title", "Blog".to_owned())]
    {
        assert!(kv.get(key).await.unwrap().value().unwrap() == Some(value), "{key}");
    }
    kv.put("key-7", "new").await.unwrap().ok().unwrap();

    // They are the cluster's once the condition says so: they go with the KvNamespace.
    scenario.wait_for("DeletionPolicyInForce").await.unwrap();
    scenario.namespace.kubectl(&["delete", "kvns", "settings"]).await.unwrap();
    scenario.until_all_data_are_gone().await.unwrap();
    scenario.end().await.unwrap();
}
