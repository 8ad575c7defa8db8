//! ServiceAccounts: what RBAC permits, over both faces and every server.

use std::time::{Duration, Instant};

use crate::world::{World, until_status};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_gets_what_rbac_permits_at_every_server_and_nothing_else() {
    let mut world = World::start("10800").await;
    let reader = world.account("reader", Some("nearkv-viewer")).await;
    let writer = world.account("writer", Some("nearkv-editor")).await;
    let stranger = world.account("stranger", None).await;
    let create = ["create", "token", "writer"];
    let of_the_api_server = world.scenario.namespace.kubectl(&create).await.unwrap().trim().to_owned();
    let of_the_api_server = world.know(of_the_api_server);

    for server in world.servers() {
        let settings = world.settings(server);
        let get = async |token: &str| settings.bearing(token).get("a").await.unwrap().status.as_u16();
        assert_eq!(settings.get("a").await.unwrap().status, 401, "no token");
        assert_eq!(get("nonsense").await, 401);
        assert_eq!(get(&of_the_api_server).await, 401, "a token for the API server is none for nearkv");
        assert_eq!(get(&stranger).await, 403);
        assert_eq!(get(&reader).await, 200);
        let answer = settings.bearing(&reader).put("b", "two").await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("nearkv-reason")), (403, Some("forbidden")));
        settings.bearing(&writer).put("b", "two").await.unwrap().ok().unwrap();
        assert_eq!(settings.bearing(&reader).get("b").await.unwrap().body, "two");
        assert_eq!(settings.bearing(&reader).list("").await.unwrap(), ["a", "b"]);
        settings.bearing(&writer).delete("b").await.unwrap().ok().unwrap();

        let rest = world.rest(server);
        let list = async |token: &str| rest.bearing(token).get("namespaces").await.unwrap();
        assert_eq!(rest.get("namespaces").await.unwrap().status, 401);
        assert!(list(&stranger).await.body.contains("\"code\":10000"));
        assert!(list(&reader).await.ok().unwrap().body.contains("settings"));
        let id = world.scenario.field("{.status.id}").await.unwrap();
        let value = format!("namespaces/{id}/values/a");
        assert_eq!(rest.bearing(&reader).get(&value).await.unwrap().ok().unwrap().body, "one");
        assert_eq!(rest.bearing(&stranger).get(&value).await.unwrap().status, 403);
        // The operator may delete KvNamespaces; that is not lent to whoever asks it.
        let answer = rest.bearing(&reader).delete(&format!("namespaces/{id}")).await.unwrap();
        assert_eq!(answer.status, 403);
        let other = nearkv_tests::kv::Kv::new(server.kv("another-tenant", "settings"));
        assert_eq!(other.bearing(&writer).get("a").await.unwrap().status, 403, "another tenant");
        assert_eq!(other.bearing(&writer).put("a", "x").await.unwrap().status, 403, "another tenant");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_service_account_is_refused_everywhere_within_a_minute() {
    let mut world = World::start("10800").await;
    let reader = world.account("reader", Some("nearkv-viewer")).await;
    let removed = world.account("removed", Some("nearkv-viewer")).await;
    for server in world.servers() {
        for token in [&reader, &removed] {
            world.settings(server).bearing(token).get("a").await.unwrap().ok().unwrap();
        }
    }
    let namespace = &world.scenario.namespace;
    namespace.kubectl(&["delete", "rolebinding", "reader"]).await.unwrap();
    namespace.kubectl(&["delete", "serviceaccount", "removed"]).await.unwrap();
    let revoked = Instant::now();
    for server in world.servers() {
        for (token, status) in [(&reader, 403), (&removed, 401)] {
            let settings = world.settings(server).bearing(token);
            until_status("a refusal", status, async || settings.get("a").await).await;
        }
    }
    // Two seconds here, and the ten for which the API server itself remembers a token.
    assert!(revoked.elapsed() < Duration::from_secs(60), "{:?}", revoked.elapsed());
    world.end().await;
}
