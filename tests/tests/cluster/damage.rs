//! Objects deleted or edited by hand (design §6, invariant 7): nothing is lost that any replica
//! still holds, and nothing is guessed.

use nearkv_tests::nearkv::Server;
use nearkv_tests::reach::{objects_in_cluster, reach};
use nearkv_tests::{Scenario, eventually};
use reqwest::StatusCode;

/// Values that fill segments, so that not everything stands in the root itself.
const PAGES: u32 = 24;

async fn filled() -> Scenario {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready("{entries: [{key: site_title, value: My Awesome Blog}]}").await.unwrap();
    let settings = scenario.settings(&scenario.operator);
    for number in 0..PAGES {
        settings.put(&format!("page/{number}"), page(number)).await.unwrap().ok().unwrap();
    }
    scenario
}

fn page(number: u32) -> String {
    format!("page {number} ").repeat(300)
}

async fn every_page_is_there(scenario: &Scenario, replica: &Server) {
    let settings = scenario.settings(replica);
    for number in 0..PAGES {
        let value = settings.get(&format!("page/{number}")).await.unwrap().value().unwrap();
        assert_eq!(value.as_deref(), Some(page(number).as_str()), "page/{number}");
    }
    let title = settings.get("site_title").await.unwrap().value().unwrap();
    assert_eq!(title.as_deref(), Some("My Awesome Blog"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_cannot_be_edited_and_a_deleted_one_is_written_again_from_memory() {
    let scenario = filled().await;
    let segments = scenario.config_maps(Some("log")).await.unwrap();
    assert!(!segments.is_empty());
    for segment in segments {
        let edit = "{\"data\": {\"records\": \"\"}}";
        let edited = scenario.namespace.kubectl(&["patch", &segment, "--type=merge", "-p", edit]).await;
        let refusal = edited.unwrap_err().to_string();
        assert!(refusal.contains("immutable"), "{refusal}");
        scenario.namespace.kubectl(&["delete", &segment]).await.unwrap();
    }
    every_page_is_there(&scenario, &scenario.operator).await;

    let client = scenario.control_plane.client().await.unwrap();
    eventually("everything that the root names", async || {
        let objects = objects_in_cluster(client.clone(), scenario.namespace.name(), "settings").await;
        let missing = reach("settings.kv", &objects.map_err(|error| format!("{error:?}"))?).missing;
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await
    .unwrap();
    is_whole_for_a_new_operator(scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_root_a_kvnamespace_is_read_from_memory_and_not_written_until_it_is_repaired() {
    let scenario = filled().await;
    scenario.namespace.kubectl(&["delete", "cm", "settings.kv"]).await.unwrap();
    is_refused_because(&scenario, "RootMissing").await;
    assert!(scenario.config_maps(Some("root")).await.unwrap().is_empty(), "no empty root in its place");

    repair(&scenario).await;
    is_whole_for_a_new_operator(scenario).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_edited_by_hand_is_not_believed_and_its_declared_keys_come_back() {
    let scenario = filled().await;
    let edit = "{\"data\": {\"records\": \"{\\\"put\\\":\\\"site_title\\\",\\\"value\\\":\\\"Mine\\\"}\"}}";
    scenario.namespace.kubectl(&["patch", "cm", "settings.kv", "--type=merge", "-p", edit]).await.unwrap();
    is_refused_because(&scenario, "RootDamaged").await;

    repair(&scenario).await;
    is_whole_for_a_new_operator(scenario).await;
}

async fn is_refused_because(scenario: &Scenario, reason: &str) {
    eventually(reason, async || {
        let ready = scenario.condition("Ready").await.map_err(|error| error.to_string())?;
        if ready.starts_with(&format!("False {reason} ")) { Ok(()) } else { Err(ready) }
    })
    .await
    .unwrap();
    let refused = scenario.settings(&scenario.operator).put("new", "x").await.unwrap();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    every_page_is_there(scenario, &scenario.operator).await;
}

async fn repair(scenario: &Scenario) {
    scenario.namespace.kubectl(&["annotate", "kvns", "settings", "nearkv.dev/repair=now"]).await.unwrap();
    scenario.wait_for("Ready").await.unwrap();
    assert_eq!(scenario.field("{.status.lastRepair}").await.unwrap(), "now");
    scenario.settings(&scenario.operator).put("new", "x").await.unwrap().ok().unwrap();
}

/// A replica that starts afterwards has only what is in the cluster.
async fn is_whole_for_a_new_operator(scenario: Scenario) {
    let other = scenario.another_operator(2).await.unwrap();
    every_page_is_there(&scenario, &other).await;
    other.stop().await.unwrap();
    scenario.end().await.unwrap();
}
