//! The commands for backup and restore, as docs/operations.md has them, on a real control plane.

use std::path::Path;

use nearkv_tests::Scenario;
use nearkv_tests::folders::new_folder;
use tokio::process::Command;

use crate::documents::read;

/// Enough for segments and a value of its own beside the root.
const KEYS: usize = 60;

/// The blocks of shell commands that begin with these words.
fn commands(beginnings: [&str; 2]) -> [String; 2] {
    let page = read("docs/operations.md");
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    beginnings.map(|start| blocks.iter().find(|block| block.starts_with(start)).unwrap().to_string())
}

async fn run(scenario: &Scenario, folder: &Path, commands: &str) {
    let kubectl = scenario.control_plane.kubectl().executable().parent().unwrap().display().to_string();
    let path = format!("{kubectl}:{}", std::env::var("PATH").unwrap());
    let script = commands.replace("-n team-a", &format!("-n {}", scenario.namespace.name()));
    let output = Command::new("sh")
        .args(["-euc", &script])
        .current_dir(folder)
        .env("PATH", path)
        .env("KUBECONFIG", scenario.control_plane.kubeconfig())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{script}\n{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_backed_up_as_documented_is_there_after_a_restore_as_documented() {
    let [backup, restore] = commands(["select=", "strip="]);
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready("{entries: [{key: title, value: Blog}]}").await.unwrap();
    let settings = scenario.settings(&scenario.operator);
    for number in 0..KEYS {
        settings.put(&format!("key-{number}"), format!("{number} ").repeat(300)).await.unwrap().ok().unwrap();
    }
    let large = "large ".repeat(50_000);
    settings.put("large", large.clone()).await.unwrap().ok().unwrap();
    let folder = new_folder("backup").unwrap();
    run(&scenario, &folder, &backup).await;

    scenario.namespace.kubectl(&["delete", "kvns", "settings"]).await.unwrap();
    scenario.until_all_data_are_gone().await.unwrap();
    run(&scenario, &folder, &restore).await;
    for number in 0..KEYS {
        let value = settings.get(&format!("key-{number}")).await.unwrap().value().unwrap();
        assert_eq!(value, Some(format!("{number} ").repeat(300)), "key-{number}");
    }
    assert!(settings.get("large").await.unwrap().value().unwrap() == Some(large));
    assert_eq!(settings.get("title").await.unwrap().value().unwrap().as_deref(), Some("Blog"));
    settings.put("key-1", "new").await.unwrap().ok().unwrap();
    scenario.wait_for("DeletionPolicyInForce").await.unwrap();
    scenario.end().await.unwrap();
}
