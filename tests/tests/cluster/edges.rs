//! Reads near: what an edge shows of writes made elsewhere, and while its origin is away.

use std::time::Duration;

use nearkv_tests::{Scenario, eventually};
use reqwest::StatusCode;
use tokio::time::{Instant, sleep_until};

/// Short, so that the test is; long enough that the reads before its end are really before it.
const TTL: Duration = Duration::from_secs(4);
const SHORT_TTL: &str =
    "{cache: {ttlSeconds: 4, negativeTtlSeconds: 4}, entries: [{key: site_title, value: Blog}]}";

#[tokio::test(flavor = "multi_thread")]
async fn a_put_is_read_at_once_where_it_was_made_and_elsewhere_within_its_ttl() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready(SHORT_TTL).await.unwrap();
    let (london, tokyo) = (scenario.edge("london").await.unwrap(), scenario.edge("tokyo").await.unwrap());
    let (in_london, in_tokyo) = (scenario.settings(&london), scenario.settings(&tokyo));
    let read = async |kv: &nearkv_tests::Kv, key| kv.get(key).await.unwrap().value().unwrap();

    in_tokyo.put("colour", "red").await.unwrap().ok().unwrap();
    assert_eq!(read(&in_london, "colour").await.as_deref(), Some("red"));
    assert_eq!(read(&in_london, "shape").await, None, "an absence, cached too");

    in_tokyo.put("colour", "blue").await.unwrap().ok().unwrap();
    in_tokyo.put("shape", "round").await.unwrap().ok().unwrap();
    let written = Instant::now();
    assert_eq!(read(&in_tokyo, "colour").await.as_deref(), Some("blue"));
    assert_eq!(read(&in_tokyo, "shape").await.as_deref(), Some("round"));

    // What an edge answers now was true at most a TTL ago, when both had been written.
    sleep_until(written + TTL).await;
    for (key, value) in [("colour", "blue"), ("shape", "round")] {
        let answer = eventually("an answer that is not marked as stale", async || {
            let answer = in_london.get(key).await.unwrap();
            if answer.header("CF-Cache-Status") == Some("STALE") {
                Err(format!("{answer:?}"))
            } else {
                Ok(answer)
            }
        })
        .await
        .unwrap();
        assert_eq!(answer.value().unwrap().as_deref(), Some(value), "{key}");
    }
    london.stop().await.unwrap();
    tokyo.stop().await.unwrap();
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_seen_at_once_where_it_was_made() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready("{}").await.unwrap();
    let edge = scenario.edge("london").await.unwrap();
    let settings = scenario.settings(&edge);

    settings.put("draft", "text").await.unwrap().ok().unwrap();
    assert_eq!(settings.list("").await.unwrap(), ["draft"]);
    settings.delete("draft").await.unwrap().ok().unwrap();
    assert_eq!(settings.get("draft").await.unwrap().value().unwrap(), None);
    assert!(settings.list("").await.unwrap().is_empty());
    settings.delete("draft").await.unwrap().ok().unwrap();

    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_serves_what_it_has_while_its_origin_is_away() {
    let mut scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready(SHORT_TTL).await.unwrap();
    let edge = scenario.edge("london").await.unwrap();
    let settings = scenario.settings(&edge);
    let read = Instant::now();
    assert_eq!(settings.get("site_title").await.unwrap().ok().unwrap().body, "Blog");

    scenario.operator.process.kill().unwrap();
    sleep_until(read + TTL).await;
    let stale = settings.get("site_title").await.unwrap().ok().unwrap();
    assert_eq!((stale.body.as_str(), stale.header("CF-Cache-Status")), ("Blog", Some("STALE")));
    let age: u64 = stale.header("Age").unwrap().parse().unwrap();
    assert!(age >= TTL.as_secs() - 1, "{age}");
    let uncached = settings.get("never_read").await.unwrap();
    assert_eq!(uncached.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(uncached.header("Retry-After").is_some());
    assert_eq!(settings.put("site", "x").await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);

    scenario.operator.restart().unwrap();
    scenario.operator.wait_until_ready().await.unwrap();
    eventually("a fresh answer", async || {
        match settings.get("site_title").await.unwrap().header("CF-Cache-Status") {
            Some("STALE") | None => Err("still stale".to_owned()),
            Some(_) => Ok(()),
        }
    })
    .await
    .unwrap();
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_in_front_of_an_edge_is_a_tier() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready(SHORT_TTL).await.unwrap();
    let regional = scenario.edge("europe").await.unwrap();
    let name = format!("{}.edge-london", scenario.namespace.name());
    let local = nearkv_tests::nearkv::Server::edge(&name, regional.url(), "london", &[]).await.unwrap();
    let settings = scenario.settings(&local);

    assert_eq!(settings.get("site_title").await.unwrap().ok().unwrap().body, "Blog");
    settings.put("colour", "green").await.unwrap().ok().unwrap();
    assert_eq!(settings.get("colour").await.unwrap().ok().unwrap().body, "green");
    let at_the_origin = scenario.settings(&scenario.operator).get("colour").await.unwrap();
    assert_eq!(at_the_origin.ok().unwrap().body, "green");

    local.stop().await.unwrap();
    regional.stop().await.unwrap();
    scenario.end().await.unwrap();
}
