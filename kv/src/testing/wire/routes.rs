//! Which requests are ones of the face, and which key they name.

use futures::FutureExt;

use super::{Case, Connection, Form, Outcome, Scene, equal, holds};

/// The key of contract §1.8 as workerd writes it: GET and PUT, then DELETE.
const NASTY_GET: &str =
    "/a%20b%2Fc+d:e@f&g=h%3Fi%23j%25k%22l%3Cm%3E%C3%BC~'()*![]^|%7B%7D%60%5C;,$_-.?urlencoded=true";
const NASTY_DELETE: &str = "/a%20b%2Fc%2Bd%3Ae%40f%26g%3Dh%3Fi%23j%25k%22l%3Cm%3E%C3%BC~'()*!%5B%5D%5E%7C%7B%7D%60%5C%3B%2C%24_-.?urlencoded=true";
const NASTY_KEY: &str = "a b/c+d:e@f&g=h?i#j%k\\\"l<m>ü~'()*![]^|{}`\\\\;,$_-.";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("workerd's encodings of one key name one key", |scene| nasty(scene).boxed()),
        Case::new("paths are raw: nothing is normalised or decoded twice", |scene| raw(scene).boxed()),
        Case::new("a key that is none is refused", |scene| no_keys(scene).boxed()),
        Case::new("an unknown method is refused with those that are known", |scene| methods(scene).boxed()),
        Case::new("bulk/get is a key unless it is posted to", |scene| bulk_get_as_key(scene).boxed()),
        Case::new("the KvNamespace of a request is one that exists", |scene| namespaces(scene).boxed()),
        Case::new("an absolute-form request is the same request", |scene| absolute_form(scene).boxed()),
        Case::new("a connection serves one request after the other", |scene| keep_alive(scene).boxed()),
    ]
}

async fn nasty(scene: Scene) -> Outcome {
    scene.put(NASTY_GET, "", b"v").await?;
    let read = scene.send(&format!("GET {NASTY_GET}"), b"").await?;
    equal("read", (read.status, read.text()), (200, "v".to_owned()))?;
    let listed = scene.send("GET /", b"").await?;
    let expected = format!("{{\"keys\":[{{\"name\":\"{NASTY_KEY}\"}}],\"list_complete\":true}}");
    equal("listed", listed.text(), expected)?;
    let deleted = scene.send(&format!("DELETE {NASTY_DELETE}"), b"").await?;
    equal("deleted", deleted.status, 200)?;
    let read = scene.send(&format!("GET {NASTY_GET}"), b"").await?;
    equal(
        "read again",
        (read.status, read.phrase, &read.body[..]),
        (404, "Not Found".to_owned(), b"Not Found"),
    )
}

async fn raw(scene: Scene) -> Outcome {
    let keys = [
        "/a/b",
        "/a//b",
        "//a/b",
        "/a/../b",
        "/a/./b",
        "/...",
        "/.%2Fx",
        "/a%252Fb",
        "/a+b",
        "/a%20b",
        "/a/",
        "/%2F",
        "/%00",
        "/%F0%9F%A4%93",
    ];
    for target in keys {
        scene.put(target, "", target.as_bytes()).await?;
    }
    for target in keys {
        equal(target, scene.send(&format!("GET {target}"), b"").await?.text(), target.to_owned())?;
    }
    // The raw and the encoded slash, and an encoded letter, name the same key.
    for (target, same) in
        [("/a%2Fb", "/a/b"), ("/%61%2f/b", "/a//b"), ("/a%2Bb", "/a+b"), ("/🤓", "/%F0%9F%A4%93")]
    {
        equal(target, scene.send(&format!("GET {target}"), b"").await?.text(), same.to_owned())?;
    }
    for query in ["", "?urlencoded=false", "?urlencoded=TRUE&x", "?cache_ttl=30"] {
        let read = scene.send(&format!("GET /a%2Fb{query}"), b"").await?;
        equal(query, read.text(), "/a/b".to_owned())?;
    }
    Ok(())
}

async fn no_keys(scene: Scene) -> Outcome {
    let undecodable = "Could not URL-decode key name";
    for target in ["/s%ED%A0%80?urlencoded=true", "/%", "/a%2", "/%zz", "/%FF"] {
        for method in ["GET", "PUT", "DELETE"] {
            scene.refused(&format!("{method} {target}"), b"", 400, undecodable).await?;
        }
    }
    for (target, name) in [("/.", "."), ("/..", ".."), ("/%2E", "."), ("/%2e%2E", "..")] {
        let text = format!("Illegal key name \"{name}\". Please use a different name.");
        for method in ["GET", "PUT", "DELETE"] {
            scene.refused(&format!("{method} {target}"), b"", 400, &text).await?;
        }
    }
    let text = "UTF-8 encoded length of 513 exceeds key length limit of 512.";
    scene.refused(&format!("GET /{}", "k".repeat(513)), b"", 414, text).await?;
    scene.refused(&format!("PUT /{}", "%6b".repeat(513)), b"v", 414, text).await?;
    let longest = format!("/{}", "%C3%BC".repeat(256));
    scene.put(&longest, "", b"longest").await?;
    equal("the longest key", scene.send(&format!("GET {longest}"), b"").await?.text(), "longest".to_owned())?;
    scene.refused("PUT /", b"v", 400, "Key names must not be empty").await
}

async fn methods(scene: Scene) -> Outcome {
    for (head, allow) in [
        ("POST /a", "GET, HEAD, PUT, DELETE"),
        ("PATCH /a", "GET, HEAD, PUT, DELETE"),
        ("OPTIONS /a", "GET, HEAD, PUT, DELETE"),
        ("BREW /a", "GET, HEAD, PUT, DELETE"),
        ("POST /", "GET, HEAD"),
        ("POST /bulk%2Fget", "GET, HEAD, PUT, DELETE"),
    ] {
        let answer = scene.send(head, b"{}").await?;
        equal(head, (answer.status, answer.header("allow")), (405, Some(allow.to_owned())))?;
    }
    Ok(())
}

async fn bulk_get_as_key(scene: Scene) -> Outcome {
    scene.put("/bulk%2Fget?urlencoded=true", "", b"v").await?;
    for target in ["/bulk%2Fget?urlencoded=true", "/bulk/get"] {
        equal(target, scene.send(&format!("GET {target}"), b"").await?.text(), "v".to_owned())?;
    }
    let posted = scene.send("POST /bulk/get", br#"{"keys":["bulk/get"]}"#).await?;
    equal("posted", posted.text(), r#"{"bulk/get":"v"}"#.to_owned())
}

async fn namespaces(scene: Scene) -> Outcome {
    let other = |namespace: &str| -> Vec<u8> {
        match scene.form {
            Form::Path => format!("GET /kv/{namespace}/k HTTP/1.1\r\nHost: h\r\n\r\n"),
            Form::Header => format!("GET /k HTTP/1.1\r\nHost: h\r\nNearkv-Namespace: {namespace}\r\n\r\n"),
        }
        .into()
    };
    let missing = format!("{}/there-is-no-such-kvnamespace", scene.namespace.account());
    for (namespace, reason) in [
        (missing.as_str(), "namespace-missing"),
        ("A/b", "namespace-malformed"),
        ("a/-b", "namespace-malformed"),
    ] {
        let mut connection = Connection::open(scene.address).await?;
        connection.write(other(namespace)).await?;
        let answer = connection.read(false).await?;
        let got = (answer.status, answer.header("nearkv-reason"));
        equal(namespace, got, (400, Some(reason.to_owned())))?;
        holds("the text is the reason phrase", answer.phrase == answer.text())?;
    }
    let namespace = &scene.namespace;
    scene.put("/k", "", b"v").await?;
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 404),
        ("GET /k HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 404),
        (format!("GET /kv/{}/k HTTP/1.1\r\nHost: h\r\n\r\n", namespace.as_str().replace('/', "%2F")), 400),
        // The header wins over the path, and is there once.
        (format!("GET /k HTTP/1.1\r\nHost: h\r\nNearkv-Namespace: {namespace}\r\n\r\n"), 200),
        (format!("GET /kv/{namespace}/k HTTP/1.1\r\nHost: h\r\nNearkv-Namespace: {namespace}\r\n\r\n"), 404),
        (
            format!(
                "GET /k HTTP/1.1\r\nHost: h\r\nNearkv-Namespace: {namespace}\r\nNearkv-Namespace: {namespace}\r\n\r\n"
            ),
            400,
        ),
    ] {
        let mut connection = Connection::open(scene.address).await?;
        connection.write(&head).await?;
        equal(&head, connection.read(false).await?.status, status)?;
    }
    Ok(())
}

async fn absolute_form(scene: Scene) -> Outcome {
    scene.put("/a%2Fb", "", b"v").await?;
    let line = |target: &str| match scene.form {
        Form::Path => format!("GET https://fake-host/kv/{}{target} HTTP/1.1\r\n", scene.namespace),
        Form::Header => {
            format!("GET https://fake-host{target} HTTP/1.1\r\nNearkv-Namespace: {}\r\n", scene.namespace)
        }
    };
    let mut connection = Connection::open(scene.address).await?;
    connection.write(format!("{}Host: fake-host\r\n\r\n", line("/a%2Fb?urlencoded=true"))).await?;
    equal("value", connection.read(false).await?.text(), "v".to_owned())?;
    connection.write(format!("{}Host: fake-host\r\n\r\n", line("/?prefix=x"))).await?;
    let empty = r#"{"keys":[],"list_complete":true}"#.to_owned();
    equal("list", connection.read(false).await?.text(), empty.clone())?;
    // Without the slash, as `CF-KV-FLPROD-405` has it (contract §1.1).
    connection.write(format!("{}Host: fake-host\r\n\r\n", line("?prefix=x"))).await?;
    equal("list without a path", connection.read(false).await?.text(), empty)
}

async fn keep_alive(scene: Scene) -> Outcome {
    let mut connection = Connection::open(scene.address).await?;
    for i in 0..3 {
        let value = format!("value {i}");
        let put = scene.send_on(&mut connection, "PUT /k", value.as_bytes()).await?;
        equal("put", put.status, 200)?;
        let read = scene.send_on(&mut connection, "GET /k", b"").await?;
        equal("read", read.text(), value)?;
        let refused = scene.send_on(&mut connection, "PUT /k?expiration_ttl=0", &[b'v'; 100_000]).await?;
        equal("refused", refused.status, 400)?;
    }
    Ok(())
}
