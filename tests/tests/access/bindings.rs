//! Binding tokens: handed out in Secrets, good for the values of one KvNamespace, replaced by an annotation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::world::{World, until_status};

/// The token in a Secret.
async fn token(world: &World, secret: &str) -> String {
    let get = ["get", "secret", secret, "-o", "jsonpath={.data.token}"];
    let encoded = world.scenario.namespace.kubectl(&get).await.unwrap();
    String::from_utf8(STANDARD.decode(encoded.trim()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_hands_out_tokens_for_its_values_until_they_are_rotated() {
    let mut world = World::start("10800").await;
    world.scenario.wait_for("Bound").await.unwrap();
    assert_eq!(world.scenario.field("{.status.binding.name}").await.unwrap(), "settings-kv");
    let kind = ["get", "secret", "settings-kv", "-o", "jsonpath={.type}"];
    assert_eq!(world.scenario.namespace.kubectl(&kind).await.unwrap(), "servicebinding.io/workers-kv");
    let object = world.scenario.namespace.kubectl(&["get", "kvns", "settings", "-o", "json"]).await.unwrap();

    let writes = token(&world, "settings-kv").await;
    let writes = world.know(writes);
    let reads = token(&world, "settings-kv-read-only").await;
    let reads = world.know(reads);
    assert!(!object.contains(&writes) && !object.contains(&reads), "the object has hashes only");
    for server in world.servers() {
        let settings = world.settings(server);
        settings.bearing(&writes).put("c", "three").await.unwrap().ok().unwrap();
        assert_eq!(settings.bearing(&reads).get("c").await.unwrap().ok().unwrap().body, "three");
        assert_eq!(settings.bearing(&reads).put("c", "x").await.unwrap().status, 403);
        let rest = world.rest(server).bearing(&writes);
        assert_eq!(rest.get("namespaces").await.unwrap().status, 403, "it manages nothing");
        let id = world.scenario.field("{.status.id}").await.unwrap();
        let value = rest.get(&format!("namespaces/{id}/values/c")).await.unwrap().ok().unwrap();
        assert_eq!(value.body, "three");
    }

    let annotate = ["annotate", "kvns", "settings", "nearkv.dev/rotate-binding-token=1"];
    world.scenario.namespace.kubectl(&annotate).await.unwrap();
    for server in world.servers() {
        for old in [&writes, &reads] {
            let settings = world.settings(server).bearing(old);
            until_status("a refusal of the old token", 401, async || settings.get("a").await).await;
        }
    }
    let fresh = nearkv_tests::eventually("a new token in the Secret", async || {
        let token = token(&world, "settings-kv").await;
        if token == writes { Err("the old one".to_owned()) } else { Ok(token) }
    })
    .await
    .unwrap();
    let fresh = world.know(fresh);
    for server in world.servers() {
        let settings = world.settings(server).bearing(&fresh);
        until_status("the new token's permission", 200, async || settings.put("c", "four").await).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_secret_is_no_binding_and_a_removed_binding_leaves_none() {
    let world = World::start("0").await;
    world.scenario.wait_for("Bound").await.unwrap();
    let namespace = &world.scenario.namespace;
    world.scenario.apply("{entries: [{key: a, value: one}]}").await.unwrap();
    let secrets = async || namespace.kubectl(&["get", "secrets", "-o", "name"]).await;
    nearkv_tests::eventually("no Secrets", async || {
        let left = secrets().await.map_err(|error| error.to_string())?;
        if left.contains("settings-kv") { Err(left) } else { Ok(()) }
    })
    .await
    .unwrap();
    let own = ["create", "secret", "generic", "settings-kv", "--from-literal=token=mine"];
    namespace.kubectl(&own).await.unwrap();
    world.scenario.apply("{binding: {}, entries: [{key: a, value: one}]}").await.unwrap();
    nearkv_tests::eventually("the condition that says so", async || {
        let bound = world.scenario.condition("Bound").await.map_err(|error| error.to_string())?;
        if bound.starts_with("False SecretNameTaken ") { Ok(()) } else { Err(bound) }
    })
    .await
    .unwrap();
    assert_eq!(token(&world, "settings-kv").await, "mine");
    world.end().await;
}
