//! Who gets what through which face, as a table, and the words of the refusals.

use axum::body::Body;
use http::{Request, StatusCode, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::tenants::{Guarded, SECRET};
use crate::{Namespace, http::server::serve};

fn id(namespace: &str) -> String {
    namespace.parse::<Namespace>().unwrap().id().to_string()
}

/// Every operation of both faces on the KvNamespace `settings` of an account, with the lowest of the tokens above that
/// may do it: `r` who may read values, `w` who may write them, `m` who manages the account's KvNamespaces.
fn operations(account: &str) -> Vec<(char, &'static str, String, &'static str)> {
    let kv = format!("/kv/{account}/settings");
    let rest = format!("/client/v4/accounts/{account}/storage/kv/namespaces");
    let one = format!("{rest}/{}", id(&format!("{account}/settings")));
    vec![
        ('r', "GET", format!("{kv}/k"), ""),
        ('r', "HEAD", format!("{kv}/k"), ""),
        ('r', "GET", kv.clone(), ""),
        ('r', "GET", format!("{kv}/?prefix=k"), ""),
        ('r', "POST", format!("{kv}/bulk/get"), r#"{"keys":["k"]}"#),
        ('w', "PUT", format!("{kv}/x%2Fy"), "v"),
        ('w', "DELETE", format!("{kv}/x%2Fy"), ""),
        (
            'w',
            "POST",
            format!("{kv}/bulk/write"),
            "{\"put\":\"x\",\"value\":\"v\"}\n{\"delete\":\"x\"}\n{\"end\":2}\n",
        ),
        ('r', "GET", format!("{one}/keys"), ""),
        ('r', "GET", format!("{one}/values/k"), ""),
        ('r', "GET", format!("{one}/metadata/k"), ""),
        ('r', "POST", format!("{one}/bulk/get"), r#"{"keys":["k"]}"#),
        ('w', "PUT", format!("{one}/values/x"), "v"),
        ('w', "DELETE", format!("{one}/values/x"), ""),
        ('w', "PUT", format!("{one}/bulk"), r#"[{"key":"x","value":"v"}]"#),
        ('w', "DELETE", format!("{one}/bulk"), r#"["x"]"#),
        ('w', "POST", format!("{one}/bulk/delete"), r#"["x"]"#),
        ('m', "GET", rest.clone(), ""),
        ('m', "GET", one.clone(), ""),
        ('m', "PUT", one.clone(), r#"{"title":"other"}"#),
        ('m', "POST", rest, r#"{"title":"new"}"#),
        ('m', "DELETE", one, ""),
    ]
}

fn request(method: &str, path: &str, token: Option<&str>, body: &'static str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if path.ends_with("/bulk/write") {
        request = request.header(header::CONTENT_TYPE, crate::http::mutations::MEDIA_TYPE);
    }
    request.body(if body.is_empty() { Body::empty() } else { Body::from(body) }).unwrap()
}

#[tokio::test]
async fn every_operation_of_both_faces_needs_its_own_permission() {
    let may = |token: &str, need: char| match token {
        "a" => need != 'm',
        "reader-a" => need == 'r',
        "manager-a" => need == 'm',
        "admin" => true,
        _ => false,
    };
    for token in ["a", "reader-a", "manager-a", "admin", "b", "nobodys", ""] {
        for (need, method, path, body) in operations("team-a") {
            let world = Guarded::new(1).await;
            let shown = Some(token).filter(|token| !token.is_empty());
            let (status, headers, _) = world.send(request(method, &path, shown, body)).await;
            let expected = match token {
                "nobodys" | "" => StatusCode::UNAUTHORIZED,
                token if may(token, need) => StatusCode::OK,
                _ => StatusCode::FORBIDDEN,
            };
            assert_eq!(status, expected, "{token:?} {method} {path}");
            let asks = headers.contains_key(header::WWW_AUTHENTICATE);
            assert_eq!(asks, status == StatusCode::UNAUTHORIZED, "{token:?} {method} {path}");
        }
    }
}

#[tokio::test]
async fn a_token_of_one_tenant_gets_nothing_of_the_other_in_any_operation() {
    for token in ["a", "reader-a", "manager-a"] {
        for (_, method, path, body) in operations("team-b") {
            let world = Guarded::new(2).await;
            let (status, _, answer) = world.send(request(method, &path, Some(token), body)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{token} {method} {path}");
            assert!(!String::from_utf8_lossy(&answer).contains(SECRET), "{token} {method} {path}");
        }
    }
}

/// The header wins over the path, an id belongs to one account, and no spelling of a path is another path.
#[tokio::test]
async fn no_header_and_no_spelling_leads_to_the_other_tenant() {
    let (own, other) = (id("team-a/settings"), id("team-b/settings"));
    let rest = |account: &str, id: &str| {
        format!("/client/v4/accounts/{account}/storage/kv/namespaces/{id}/values/k")
    };
    let world = Guarded::new(3).await;
    for (path, header, refused) in [
        ("/kv/team-a/settings/k".to_owned(), Some("team-b/settings"), true),
        (rest("team-a", &own), Some("team-b/settings"), true),
        ("/auth/v1/access".to_owned(), Some("team-b/settings"), true),
        ("/k".to_owned(), Some("team-b/settings"), true),
        (rest("team-b", &other), None, true),
        (rest("team-a", &other), None, true),
        (rest("team-b", &own), None, true),
        ("/kv/team-b/settings/k".to_owned(), Some("team-a/settings"), false),
        ("/kv/team-a/settings/..%2F..%2Fteam-b%2Fsettings%2Fk".to_owned(), None, false),
        ("/kv/team-a/settings/../../team-b/settings/k".to_owned(), None, false),
        ("/kv/team-a/settings//kv/team-b/settings/k".to_owned(), None, false),
        ("/kv/team-a/settings/%252e%252e/team-b/settings/k".to_owned(), None, false),
    ] {
        let mut request = request("GET", &path, Some("a"), "");
        if let Some(value) = header {
            request.headers_mut().insert("nearkv-namespace", value.parse().unwrap());
        }
        let (status, _, body) = world.send(request).await;
        assert!(!String::from_utf8_lossy(&body).contains(SECRET), "{path} {header:?}");
        let expected = if refused { StatusCode::FORBIDDEN } else { StatusCode::NOT_FOUND };
        assert_eq!(status, expected, "{path} {header:?}: a key of team-a that is not there, or a refusal");
    }
}

#[tokio::test]
async fn refusals_have_the_contracts_words_over_rest_and_plain_text_at_the_binding() {
    let world = Guarded::new(4).await;
    let rest = "/client/v4/accounts/team-b/storage/kv/namespaces";
    for (token, status, code, message) in [
        (None, 401, 10_001, "Unable to authenticate request"),
        (Some("nobodys"), 401, 10_001, "Unable to authenticate request"),
        (Some("a"), 403, 10_000, "Authentication error"),
    ] {
        let (answered, _, body) = world.send(request("GET", rest, token, "")).await;
        let envelope: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answered.as_u16(), status);
        assert_eq!(envelope["success"], false);
        assert_eq!(envelope["errors"][0]["code"], code);
        assert_eq!(envelope["errors"][0]["message"], message);
    }
    let (_, headers, body) = world.send(request("GET", "/kv/team-b/settings/k", Some("a"), "")).await;
    assert_eq!(body, "This token may not get values of KvNamespace team-b/settings");
    assert_eq!(headers["nearkv-reason"], "forbidden");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn whoever_is_somebody_may_verify_a_token_and_only_an_administrator_lists_accounts() {
    let world = Guarded::new(5).await;
    for (path, token, status) in [
        ("/client/v4/user/tokens/verify", None, 401),
        ("/client/v4/user/tokens/verify", Some("nobodys"), 401),
        ("/client/v4/user/tokens/verify", Some("a"), 200),
        ("/client/v4/accounts/team-a", Some("a"), 200),
        ("/client/v4/accounts/team-a", None, 401),
        ("/client/v4/accounts", Some("a"), 403),
        ("/client/v4/accounts", Some("admin"), 200),
        ("/client/v4/memberships", Some("manager-a"), 403),
        ("/client/v4/openapi.json", None, 200),
    ] {
        let (answered, ..) = world.send(request("GET", path, token, "")).await;
        assert_eq!(answered.as_u16(), status, "{path} {token:?}");
    }
}

#[tokio::test]
async fn that_an_id_is_nobodys_is_told_only_to_those_who_may_see_kvnamespaces() {
    let world = Guarded::new(6).await;
    let path =
        format!("/client/v4/accounts/team-a/storage/kv/namespaces/{}/values/k", id("team-a/nothing-there"));
    for (token, status) in [(None, 401), (Some("b"), 403), (Some("a"), 403), (Some("manager-a"), 404)] {
        let (answered, ..) = world.send(request("GET", &path, token, "")).await;
        assert_eq!(answered.as_u16(), status, "{token:?}");
    }
}

#[tokio::test]
async fn another_server_is_told_what_the_bearer_of_a_token_may_do_and_for_how_long() {
    let world = Guarded::new(7).await;
    let ask = async |query: &str, token| {
        let (status, _, body) =
            world.send(request("GET", &format!("/auth/v1/access{query}"), token, "")).await;
        (status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    };
    let values = "?verb=get&account=team-a&name=settings&values=true";
    let (status, body) = ask(values, Some("a")).await;
    assert_eq!(status, 200);
    assert!(body.starts_with(r#"{"verdict":"allowed","milliseconds":"#), "{body}");
    assert!(ask(values, Some("b")).await.1.starts_with(r#"{"verdict":"forbidden""#));
    assert!(ask("", Some("nobodys")).await.1.starts_with(r#"{"verdict":"unknown""#));
    assert_eq!(ask(values, None).await.0, 401);
    assert_eq!(ask("?verb=watch", Some("a")).await.0, 400);
}

/// A proxy may carry the requests of everybody on one connection.
#[tokio::test]
async fn each_request_of_a_connection_is_judged_by_its_own_token() {
    let world = Guarded::new(4).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(serve(listener, world.router.clone(), shutdown.clone()));
    let mut connection = TcpStream::connect(address).await.unwrap();
    let mut status = async |account: &str, token: &str| {
        let head = format!("HEAD /kv/{account}/settings/k HTTP/1.1\r\nHost: h\r\n{token}\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 4096];
        let length = connection.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[9..length.min(12)]).into_owned()
    };
    let tokens =
        ["Authorization: Bearer a\r\n", "Authorization: Bearer b\r\n", "Authorization: Bearer n\r\n", ""];
    let expected = |account: &str, token: usize| match token {
        0 | 1 if (account == "team-a") == (token == 0) => "200",
        0 | 1 => "403",
        _ => "401",
    };
    for before in tokens {
        for (number, token) in tokens.iter().enumerate() {
            for account in ["team-a", "team-b"] {
                status(account, before).await;
                assert_eq!(
                    status(account, token).await,
                    expected(account, number),
                    "{account} with {token:?} after {before:?}"
                );
            }
        }
    }
    drop(connection);
    shutdown.cancel();
    ended.await.unwrap().unwrap();
}
