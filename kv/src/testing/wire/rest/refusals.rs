//! Wrong accounts, namespaces, methods and routes over REST.

use futures::FutureExt;

use super::{Outcome, Rest, RestCase, equal, holds};

pub(super) fn cases() -> Vec<RestCase> {
    vec![
        RestCase::new("a wrong namespace is 10013 for every operation", |r| namespaces(r).boxed()),
        RestCase::new("a wrong account, route or method has its code", |r| routes(r).boxed()),
        RestCase::new("a value over 25 MiB is refused and not written", |r| too_long(r).boxed()),
    ]
}

async fn namespaces(rest: Rest) -> Outcome {
    for id in ["0123456789abcdef0123456789abcdef", "0123", "settings", "%20"] {
        let at = |rest_of: &str| format!("{}/{id}{rest_of}", rest.account());
        for (head, body, operation) in [
            (format!("GET {}", at("")), "", "get namespace"),
            (format!("PUT {}", at("")), r#"{"title":"x"}"#, "rename namespace"),
            (format!("DELETE {}", at("")), "", "remove namespace"),
            (format!("GET {}", at("/keys")), "", "list keys"),
            (format!("GET {}", at("/values/k")), "", "get"),
            (format!("PUT {}", at("/values/k")), "v", "put"),
            (format!("DELETE {}", at("/values/k")), "", "remove key"),
            (format!("PUT {}", at("/bulk")), "[]", "bulk put"),
            (format!("POST {}", at("/bulk/delete")), "[]", "bulk remove keys"),
            (format!("POST {}", at("/bulk/get")), r#"{"keys":["k"]}"#, "bulk get keys"),
        ] {
            let text = rest.refused(&head, body.as_bytes(), 404, 10_013).await?;
            equal(&head, text, format!("{operation}: 'namespace not found'"))?;
        }
    }
    let other = format!("/client/v4/accounts/another-account/storage/kv/namespaces/{}", rest.namespace.id());
    let answer = rest.send(&format!("PUT {other}/values/k"), b"v").await?;
    equal("another account's namespace", answer.status, 404)?;
    equal("nothing is written", rest.value("k").await?, None)
}

async fn routes(rest: Rest) -> Outcome {
    for account in ["Team", "a_b", "%2F", ""] {
        let head = format!("GET /client/v4/accounts/{account}/storage/kv/namespaces");
        rest.refused(&head, b"", 400, 7003).await?;
    }
    for path in ["", "/", "/zones", "/user", "/accounts/a/workers/scripts"] {
        let text = rest.refused(&format!("GET /client/v4{path}"), b"", 404, 7000).await?;
        equal(path, text.as_str(), "No route for that URI")?;
    }
    for (head, allow) in [
        (format!("PATCH {}", rest.account()), "GET, HEAD, POST"),
        (format!("DELETE {}/", rest.account()), "GET, HEAD, PUT, DELETE"),
        (format!("POST {}", rest.at("/keys")), "GET, HEAD"),
        (format!("GET {}", rest.at("/bulk")), "PUT, DELETE"),
        (format!("GET {}", rest.at("/bulk/get")), "POST"),
        ("POST /client/v4/accounts".to_owned(), "GET, HEAD"),
    ] {
        rest.refused(&head, b"", 405, 10_405).await?;
        equal(&head, rest.send(&head, b"").await?.header("allow").as_deref(), Some(allow))?;
    }
    // With the header the whole path is a key.
    let head = format!("PUT /client/v4/accounts\nNearkv-Namespace: {}", rest.namespace);
    equal("a key like a route", rest.send(&head, b"v").await?.status, 200)?;
    holds("it is there", rest.value("client%2Fv4%2Faccounts").await?.is_some())
}

async fn too_long(rest: Rest) -> Outcome {
    let long = vec![b'v'; 26_214_401];
    let text = rest.refused(&format!("PUT {}", rest.at("/values/k")), &long, 413, 10_030).await?;
    equal("its text", text.as_str(), "put: 'Value length of 26214401 exceeds limit of 26214400.'")?;
    equal("nothing is written", rest.value("k").await?, None)
}
