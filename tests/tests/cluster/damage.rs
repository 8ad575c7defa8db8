//! Objects deleted or edited by hand (design §6, invariant 7): nothing is lost that any replica
//! still holds, and nothing is guessed.

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

async fn every_page_is_there(scenario: &Scenario) {
    let settings = scenario.settings(&scenario.operator);
    for number in 0..PAGES {
        let value = settings.get(&format!("page/{number}")).await.unwrap().value().unwrap();
        assert_eq!(value.as_deref(), Some(page(number).as_str()), "page/{number}");
    }
    let title = settings.get("site_title").await.unwrap().value().unwrap();
    assert_eq!(title.as_deref(), Some("My Awesome Blog"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_deleted_by_hand_is_written_again_from_memory() {
    let mut scenario = filled().await;
    for segment in scenario.config_maps(Some("log")).await.unwrap() {
        scenario.namespace.kubectl(&["delete", &segment]).await.unwrap();
    }
    every_page_is_there(&scenario).await;

    // A replica that starts afterwards has only what is in the cluster.
    eventually("a new operator that has everything", async || {
        scenario.settings(&scenario.operator).put("nudge", "x").await.map_err(|error| error.to_string())?;
        let mut other = scenario.another_operator(2).await.map_err(|error| error.to_string())?;
        let keys = scenario.settings(&other).list("page/").await.map_err(|error| error.to_string());
        other.process.kill().map_err(|error| error.to_string())?;
        match keys {
            Ok(keys) if keys.len() == PAGES as usize => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap();
    scenario.operator.restart().unwrap();
    scenario.operator.wait_until_ready().await.unwrap();
    every_page_is_there(&scenario).await;
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_root_a_kvnamespace_is_read_from_memory_and_not_written() {
    let scenario = filled().await;
    scenario.namespace.kubectl(&["delete", "cm", "settings.kv"]).await.unwrap();
    is_refused_because(&scenario, "RootMissing").await;
    assert!(scenario.config_maps(Some("root")).await.unwrap().is_empty(), "no empty root in its place");
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_edited_by_hand_is_not_believed() {
    let scenario = filled().await;
    let edit = "{\"data\": {\"records\": \"{\\\"put\\\":\\\"site_title\\\",\\\"value\\\":\\\"Mine\\\"}\"}}";
    scenario.namespace.kubectl(&["patch", "cm", "settings.kv", "--type=merge", "-p", edit]).await.unwrap();
    is_refused_because(&scenario, "RootDamaged").await;
    scenario.end().await.unwrap();
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
    every_page_is_there(scenario).await;
}
