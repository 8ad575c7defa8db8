//! The log of running processes: JSON with the words of the metrics, its filter changed while they run.

use nearkv_tests::Scenario;
use nearkv_tests::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_json_with_the_words_of_the_metrics_and_its_filter_changes_at_run_time() {
    let scenario = Scenario::start(&["--log-format", "json"]).await.unwrap();
    scenario.apply_ready("{}").await.unwrap();
    let settings = scenario.settings(&scenario.operator);
    settings.put("before", "secret-value").await.unwrap().ok().unwrap();
    let log = format!("{}/log", scenario.operator.admin());
    let client = nearkv_tests::http::client();
    assert_eq!(client.get(&log).send().await.unwrap().text().await.unwrap(), "info\n");

    let refused = client.put(&log).body("nearkv=loud").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let taken = client.put(&log).body("info,nearkv::access=debug").send().await.unwrap();
    assert_eq!(
        (taken.status().as_u16(), taken.text().await.unwrap().as_str()),
        (200, "info,nearkv::access=debug\n")
    );
    settings.put("after", "secret-value").await.unwrap().ok().unwrap();
    assert_eq!(settings.get("nothing").await.unwrap().status, 404);

    let lines = eventually("two lines of the access log", async || {
        let text = scenario.operator.process.log();
        let lines: Vec<serde_json::Value> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let access: Vec<_> = lines.into_iter().filter(|line| line["target"] == "nearkv::access").collect();
        if access.len() == 2 { Ok(access) } else { Err(text) }
    })
    .await
    .unwrap();
    for (line, operation, status, cache) in [(&lines[0], "put", 200, "none"), (&lines[1], "get", 404, "MISS")]
    {
        let fields = &line["fields"];
        assert_eq!(fields["face"], "binding", "{line}");
        assert_eq!(fields["operation"], operation, "{line}");
        assert_eq!((&fields["result"], &fields["status"]), (&"ok".into(), &status.into()), "{line}");
        assert_eq!(fields["cache"], cache, "{line}");
    }
    let text = scenario.operator.process.log();
    assert!(!text.contains("secret-value") && !text.contains("\"after\""), "{text}");
    scenario.end().await.unwrap();
}
