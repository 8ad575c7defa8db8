//! Every metric that an alert, the dashboard or the documentation names is told by running processes under some
//! load, and the other way round; and what is told of a KvNamespace goes with it.

use std::collections::BTreeSet;

use nearkv_tests::metrics::Metrics;
use nearkv_tests::nearkv::Server;
use nearkv_tests::{Scenario, eventually};
use reqwest::StatusCode;

use crate::documents::{metrics_named_in, read, table_of};

async fn scrape(server: &Server) -> String {
    server.metrics().await.unwrap().text().to_owned()
}

/// An operator and an edge that have met everything there is to count.
pub(crate) async fn under_load() -> (Scenario, Server) {
    let scenario = Scenario::start(&[]).await.unwrap();
    let spec = "{cache: {ttlSeconds: 1, negativeTtlSeconds: 1}, entries: [{key: site_title, value: Blog}]}";
    scenario.apply_ready(spec).await.unwrap();
    let edge = scenario.edge("london").await.unwrap();
    for server in [&edge, &scenario.operator] {
        let settings = scenario.settings(server);
        for number in 0..20 {
            settings.put(&format!("key-{number}"), "x".repeat(2000)).await.unwrap().ok().unwrap();
        }
        settings.delete("key-1").await.unwrap().ok().unwrap();
        assert_eq!(settings.list("").await.unwrap().len(), 20);
        for _ in 0..3 {
            settings.get("site_title").await.unwrap().ok().unwrap();
            assert_eq!(settings.get("nothing").await.unwrap().status, StatusCode::NOT_FOUND);
        }
        assert_eq!(settings.put("site_title", "Mine").await.unwrap().status, StatusCode::CONFLICT);
    }
    let unknown = nearkv_tests::Kv::new(edge.kv(scenario.namespace.name(), "unknown"));
    assert_eq!(unknown.get("x").await.unwrap().status, StatusCode::BAD_REQUEST);
    (scenario, edge)
}

/// The names of all samples, as a query names them.
fn samples(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

/// The names of all families, as the documentation names them: a counter with its `_total`.
fn families(text: &str) -> BTreeSet<String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_the_alerts_the_dashboard_and_the_documentation_is_told_by_running_processes() {
    let (scenario, edge) = under_load().await;
    let text = scrape(&scenario.operator).await + &scrape(&edge).await;
    for file in ["charts/nearkv/files/alerts.yaml", "charts/nearkv/files/dashboard.json"] {
        let named = metrics_named_in(&read(file));
        assert!(named.len() > 15, "{file} has lost its expressions");
        let missing: Vec<_> = named.difference(&samples(&text)).cloned().collect();
        assert!(missing.is_empty(), "{file} names what nobody tells: {missing:?} in\n{text}");
    }
    let documented = table_of("## Metrics");
    assert_eq!(documented, families(&text), "docs/operations.md, and what is told");
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_counted_once_with_its_result_and_its_cache_status() {
    let (scenario, edge) = under_load().await;
    let (at_edge, at_operator) = (scrape(&edge).await, scrape(&scenario.operator).await);
    let account = scenario.namespace.name();
    for (text, line) in [
        (&at_edge, r#"nearkv_requests_total{face="binding",operation="put",result="ok",cache="MISS"} 20"#.to_owned()),
        (&at_edge, r#"nearkv_requests_total{face="binding",operation="put",result="key-declared",cache="none"} 1"#.to_owned()),
        (&at_edge, r#"nearkv_requests_total{face="binding",operation="get",result="namespace-missing",cache="none"} 1"#.to_owned()),
        (&at_edge, r#"nearkv_request_body_bytes_total{face="binding",operation="put"} 40004"#.to_owned()),
        (&at_edge, format!(r#"nearkv_edge_kvnamespace_reads_total{{account="{account}",kvnamespace="settings",status="MISS"}} 3"#)),
        (&at_operator, format!(r#"nearkv_kvnamespace_keys{{account="{account}",kvnamespace="settings"}} 20"#)),
        (&at_operator, format!(r#"nearkv_kvnamespace_health{{account="{account}",kvnamespace="settings",reason="Ready"}} 1"#)),
        (&at_operator, "nearkv_operator_leading 1".to_owned()),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let metrics = Metrics::new(at_operator);
    let value = |name: &str| metrics.value(name).unwrap();
    // 40 puts, two deletions and a declared entry.
    assert!((43.0..=43.0).contains(&value("nearkv_origin_records_total")));
    assert!(value("nearkv_origin_budget_used_bytes") > 0.0);
    assert!(value("nearkv_origin_budget_used_objects") >= 1.0);
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_series_of_a_kvnamespace_go_with_it() {
    let (scenario, edge) = under_load().await;
    let label = r#"kvnamespace="settings""#;
    for server in [&scenario.operator, &edge] {
        assert!(scrape(server).await.contains(label));
    }
    scenario.namespace.kubectl(&["delete", "kvns", "settings"]).await.unwrap();
    let settings = scenario.settings(&edge);
    eventually("metrics without the KvNamespace", async || {
        // Past its time to live the edge asks, and hears that there is none.
        settings.get("site_title").await.map_err(|error| error.to_string())?;
        for server in [&scenario.operator, &edge] {
            let text = scrape(server).await;
            if let Some(line) = text.lines().find(|line| line.contains(label)) {
                return Err(line.to_owned());
            }
        }
        Ok(())
    })
    .await
    .unwrap();
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}
