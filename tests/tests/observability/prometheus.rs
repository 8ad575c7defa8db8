//! A real Prometheus scrapes a running operator and edge, and evaluates every expression of the dashboard and of the
//! alerts.

use std::time::Duration;

use nearkv_tests::eventually;
use nearkv_tests::folders::new_folder;
use nearkv_tests::nearkv::Server;
use nearkv_tests::ports::free_port;
use nearkv_tests::process::Program;

use crate::documents::{read, repository};
use crate::metrics::under_load;

const START_LIMIT: Duration = Duration::from_secs(30);

fn expressions_of_the_dashboard() -> Vec<String> {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("charts/nearkv/files/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "1m")).collect()
}

fn host(server: &Server) -> String {
    server.admin().trim_start_matches("http://").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_reads_the_metrics_and_evaluates_every_expression() {
    let (scenario, edge) = under_load().await;
    let folder = new_folder("prometheus").unwrap();
    let (operator, london) = (host(&scenario.operator), host(&edge));
    let rules = repository().join("charts/nearkv/files/alerts.yaml").canonicalize().unwrap();
    let configuration = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n\
         - {{job_name: operator, static_configs: [{{targets: ['{operator}']}}]}}\n\
         - {{job_name: edge, static_configs: [{{targets: ['{london}']}}]}}\n",
        rules.display()
    );
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, configuration).unwrap();
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    // Debian's package `prometheus`: apt-get install prometheus.
    let mut process = Program::new("prometheus", "prometheus")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .start()
        .unwrap();
    process.wait_for_url(&format!("http://{address}/-/ready"), START_LIMIT).await.unwrap();
    let client = nearkv_tests::http::client();
    let ask = async |path: &str| -> Result<serde_json::Value, String> {
        let asked = client.get(format!("http://{address}/api/v1/{path}")).send().await;
        let text =
            asked.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))
    };
    let query = async |expression: &str| -> Result<usize, String> {
        let form: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        let answer = ask(&format!("query?{form}")).await?;
        match answer["data"]["result"].as_array() {
            Some(result) => Ok(result.len()),
            None => Err(answer.to_string()),
        }
    };
    eventually("two scrapes of both", async || {
        match query("count_over_time(up[1m]) >= 3 and up == 1").await? {
            2 => Ok(()),
            found => Err(format!("{found} targets are up")),
        }
    })
    .await
    .unwrap();
    for expression in expressions_of_the_dashboard() {
        let found = query(&expression).await.unwrap();
        assert!(found > 0, "nothing is shown by {expression}");
    }
    let rules = ask("rules").await.unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap().iter();
    let rules: Vec<_> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert_eq!(rules.len(), 19);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert_ne!(rule["state"], "firing", "{rule}");
    }
    process.kill().unwrap();
    edge.stop().await.unwrap();
    scenario.end().await.unwrap();
}
