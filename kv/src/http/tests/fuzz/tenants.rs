//! Whatever path, query, header and method a tenant's token comes with, nothing of the other tenant is read, and
//! nothing of it changes.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Method, Request, header};

use super::{REQUESTS, World, for_every_seed};
use crate::{
    GetOptions, Key, Kv, ListOptions, Lookup, Namespace, Namespaces,
    http::tests::tenants::{Guarded, SECRET},
    testing::Memory,
};

/// What names of tenants are joined by.
const JOINTS: &[&str] =
    &["/", "%2F", "%2f", "//", "/./", "/../", "/%2e%2e/", "/..%2F", "%252F", "%00", "?", "#", ";"];

fn name(world: &World) -> String {
    let account = world.pick(&["team-a", "team-b", "team-b", "TEAM-B", "team%2Db", "te%61m-b", ".", ".."]);
    let name = world.pick(&["settings", "settings", "settin%67s", "settings%00", ".."]);
    format!("{account}{}{name}", world.pick(JOINTS))
}

fn id(world: &World) -> String {
    let namespace: Namespace = world.pick(&["team-a/settings", "team-b/settings"]).parse().unwrap();
    let id = namespace.id().to_string();
    if world.one_in(6) { id.to_uppercase() } else { id }
}

fn path(world: &World) -> String {
    let end = world.pick(&["/k", "", "/", "/bulk/get", "/bulk/write", "/..%2Fk", "//k", "%2Fk"]);
    let place = world.pick(&["", "/keys", "/values/k", "/metadata/k", "/bulk", "/bulk/get", "/bulk/delete"]);
    match world.below(5) {
        0 | 1 => format!("/kv{}{}{end}", world.pick(JOINTS), name(world)),
        2 => format!(
            "/client/v4/accounts/{}/storage/kv/namespaces/{}{place}",
            world.pick(&["team-a", "team-b", "team%2Db", "team-a%2F..%2Fteam-b", "team-a/../team-b"]),
            id(world)
        ),
        3 => format!(
            "/client/v4{}accounts/team-a/storage/kv/namespaces/..{}{}{place}",
            world.pick(JOINTS),
            world.pick(JOINTS),
            id(world)
        ),
        _ => format!("/{}{end}", world.pick(&["", "k", "kv", "client/v4", "auth/v1/access", "changes"])),
    }
}

/// All that team-b has.
async fn of_team_b(memory: &Memory) -> BTreeMap<String, (String, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for info in Namespaces::list(memory, "team-b").await.unwrap() {
        for listed in Kv::list(memory, &info.namespace, &ListOptions::default()).await.unwrap().body.keys {
            let read = memory.get(&info.namespace, &listed.name, &GetOptions::default()).await.unwrap();
            let Lookup::Found(entry) = read.body else { continue };
            let value = entry.value.into_bytes().await.unwrap().to_vec();
            all.insert(format!("{} {}", info.namespace, listed.name.as_str()), (info.title.clone(), value));
        }
    }
    all
}

async fn one_request(world: &World, guarded: &Guarded) {
    let path = path(world);
    let method = world.pick(&[&Method::GET, &Method::PUT, &Method::DELETE, &Method::POST, &Method::HEAD]);
    let token = world.pick(&["a", "a", "reader-a", "manager-a", "nobodys"]);
    let mut request = Request::builder().method(method).uri(&path);
    request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    for _ in 0..world.below(3) {
        let value =
            world.pick(&["team-b/settings", "team-a/settings", "team-b%2Fsettings", " team-b/settings", ""]);
        request = request.header("nearkv-namespace", value);
    }
    if world.one_in(3) {
        let other = world.pick(&["x-original-url", "x-forwarded-prefix", "cf-kv-flprod-405", "x-auth-key"]);
        request = request.header(other, "https://fake-host/kv/team-b/settings/k");
    }
    let bodies = [
        r#"{"keys":["k"]}"#,
        r#"["k"]"#,
        r#"[{"key":"k","value":"v"}]"#,
        "{\"delete\":\"k\"}\n",
        "{\"title\":\"t\"}",
    ];
    if path.contains("/bulk/write") {
        request = request.header(header::CONTENT_TYPE, crate::http::mutations::MEDIA_TYPE);
    }
    // What is no request target never gets past hyper.
    let Ok(request) = request.body(Body::from(world.pick(&bodies).to_owned())) else { return };
    let (status, headers, body) = guarded.send(request).await;
    let story = format!("{token} {method} {path}: {status}");
    assert!(!status.is_server_error(), "{story}");
    assert!(!String::from_utf8_lossy(&body).contains(SECRET), "{story}");
    assert!(
        headers.values().all(|value| !value.as_bytes().ends_with(token.as_bytes()) || token.len() < 4),
        "{story}"
    );
}

#[test]
fn a_token_of_one_tenant_gets_nothing_of_another_however_it_is_asked() {
    let name = "a_token_of_one_tenant_gets_nothing_of_another_however_it_is_asked";
    for_every_seed(name, async |world| {
        let guarded = Guarded::new(world.random.u64()).await;
        let before = of_team_b(&guarded.memory).await;
        assert_eq!(
            before[&format!("team-b/settings {}", Key::new("k").unwrap().as_str())].1,
            SECRET.as_bytes()
        );
        for _ in 0..REQUESTS {
            one_request(world, &guarded).await;
        }
        assert_eq!(of_team_b(&guarded.memory).await, before);
    });
}
