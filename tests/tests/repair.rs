//! `kubectl kv repair`: the way back when a KvNamespace's root is gone (design §6 invariant 7), on a real cluster.

use nearkv_tests::binaries::Binaries;
use nearkv_tests::eventually::eventually;
use nearkv_tests::scenario::Scenario;

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_was_deleted_by_hand_is_written_anew_when_asked_for() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready("{entries: [{key: title, value: Blog}]}").await.unwrap();
    let kv = scenario.settings(&scenario.operator);
    kv.put("written", "yes").await.unwrap().ok().unwrap();

    scenario.namespace.kubectl(&["delete", "cm", "settings.kv"]).await.unwrap();
    eventually("the missing root is a condition", async || {
        let condition = scenario.condition("Ready").await.map_err(|error| error.to_string())?;
        if condition.starts_with("False RootMissing") { Ok(()) } else { Err(condition) }
    })
    .await
    .unwrap();
    assert_eq!(kv.put("written", "no").await.unwrap().status, 503, "no root, no guess");

    let kubectl_kv = tokio::task::block_in_place(Binaries::build).unwrap().kubectl_kv;
    let output = tokio::process::Command::new(kubectl_kv)
        .args(["repair", "settings", "-n", scenario.namespace.name()])
        .env("KUBECONFIG", scenario.control_plane.kubeconfig())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    scenario.wait_for("Ready").await.unwrap();
    for (key, value) in [("written", "yes"), ("title", "Blog")] {
        assert_eq!(kv.get(key).await.unwrap().value().unwrap().as_deref(), Some(value));
    }
    kv.put("written", "again").await.unwrap().ok().unwrap();
    scenario.end().await.unwrap();
}
