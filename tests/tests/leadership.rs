//! Two operators side by side: one reconciles, and when it ends the other goes on at once.

use std::time::{Duration, Instant};

use nearkv_tests::{Scenario, eventually};

/// Less than the Lease's duration of 15 s: it was given back, and not waited for.
const AT_ONCE: Duration = Duration::from_secs(12);

async fn holder(scenario: &Scenario) -> String {
    let holder = ["get", "lease", "nearkv-operator", "-o", "jsonpath={.spec.holderIdentity}"];
    scenario.namespace.kubectl(&holder).await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_is_given_back_by_an_operator_that_ends_and_the_other_reconciles_at_once() {
    let mut scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready("{entries: [{key: a, value: one}]}").await.unwrap();
    let first = holder(&scenario).await;
    assert!(first.ends_with("operator-1"), "{first}");

    let second = scenario.another_operator(2).await.unwrap();
    assert_eq!(holder(&scenario).await, first);
    scenario.operator.process.terminate(Duration::from_secs(30)).await.unwrap();
    let ended = Instant::now();
    eventually("another holder", async || match holder(&scenario).await {
        holder if holder.ends_with("operator-2") => Ok(()),
        holder => Err(holder),
    })
    .await
    .unwrap();
    assert!(ended.elapsed() < AT_ONCE, "{:?}", ended.elapsed());

    // The status that the first leader wrote is known to the second: the root is not made anew.
    let version = scenario.field("{.status.version}").await.unwrap();
    scenario.apply_ready("{entries: [{key: a, value: two}]}").await.unwrap();
    let settings = scenario.settings(&second);
    assert_eq!(settings.get("a").await.unwrap().value().unwrap().as_deref(), Some("two"));
    let incarnation = |version: &str| version.split('.').next().unwrap().to_owned();
    assert_eq!(incarnation(&scenario.field("{.status.version}").await.unwrap()), incarnation(&version));
    second.stop().await.unwrap();
    scenario.namespace.delete().await.unwrap();
}
