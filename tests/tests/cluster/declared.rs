//! Declared entries: they follow their object, and are nobody else's to write.

use nearkv_tests::{Kv, Scenario, eventually};
use reqwest::StatusCode;

async fn becomes(settings: &Kv, key: &str, value: Option<&str>) {
    eventually(&format!("{key} is {value:?}"), async || {
        let answer = settings.get(key).await.map_err(|error| error.to_string())?;
        let seen = answer.value().map_err(|error| error.to_string())?;
        if seen.as_deref() == value { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_entries_follow_their_object_and_nobody_else() {
    let scenario = Scenario::start(&[]).await.unwrap();
    scenario.apply_ready("{entries: [{key: a, value: one}, {key: b, value: two}]}").await.unwrap();
    let settings = scenario.settings(&scenario.operator);
    settings.put("c", "mine").await.unwrap().ok().unwrap();

    for refused in [settings.put("a", "other").await.unwrap(), settings.delete("a").await.unwrap()] {
        assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    }
    becomes(&settings, "a", Some("one")).await;

    // a changes, b is declared no longer, c is taken over.
    scenario.apply_ready("{entries: [{key: a, value: three}, {key: c, value: four}]}").await.unwrap();
    becomes(&settings, "a", Some("three")).await;
    becomes(&settings, "b", None).await;
    becomes(&settings, "c", Some("four")).await;
    settings.put("b", "free").await.unwrap().ok().unwrap();
    assert_eq!(settings.put("c", "mine").await.unwrap().status, StatusCode::CONFLICT);
    scenario.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_from_a_configmap_follow_it() {
    let scenario = Scenario::start(&[]).await.unwrap();
    let translations = |data: &str| {
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: translations-fr}}, data: {data}}}")
    };
    scenario.namespace.apply(&translations("{hello: bonjour, bye: au revoir}")).await.unwrap();
    scenario
        .apply_ready("{entriesFrom: [{configMapRef: {name: translations-fr}, prefix: \"fr/\"}]}")
        .await
        .unwrap();
    let settings = scenario.settings(&scenario.operator);
    becomes(&settings, "fr%2Fhello", Some("bonjour")).await;

    scenario.namespace.apply(&translations("{hello: salut, thanks: merci}")).await.unwrap();
    becomes(&settings, "fr%2Fhello", Some("salut")).await;
    becomes(&settings, "fr%2Fthanks", Some("merci")).await;
    becomes(&settings, "fr%2Fbye", None).await;
    scenario.end().await.unwrap();
}
