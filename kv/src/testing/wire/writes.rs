//! PUT and DELETE: bodies with and without length, options and their refusals, conditions.

use futures::FutureExt;

use super::{Case, Connection, Outcome, Scene, equal, holds};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a write answers with its version", |scene| versions(scene).boxed()),
        Case::new("a chunked body without a length is taken", |scene| chunked(scene).boxed()),
        Case::new("a body of 25 MiB is taken", |scene| largest(scene).boxed()),
        Case::new("a body over the limit is refused, announced or not", |scene| too_long(scene).boxed()),
        Case::new("a body that breaks off is not written", |scene| broken_off(scene).boxed()),
        Case::new("options are refused in the contract's words", |scene| options(scene).boxed()),
        Case::new("metadata are JSON of at most 1024 bytes", |scene| metadata(scene).boxed()),
        Case::new("writes are conditional", |scene| conditions(scene).boxed()),
        Case::new("content codings are stored as they are", |scene| codings(scene).boxed()),
        Case::new("a client that asks first is told", |scene| expect(scene).boxed()),
    ]
}

const LIMIT: usize = 26_214_400;

async fn versions(scene: Scene) -> Outcome {
    let put = scene.put("/k?urlencoded=true", "Content-Type: text/plain;charset=UTF-8", b"v").await?;
    holds("there is an ETag", put.header("etag").is_some_and(|tag| tag.starts_with('"')))?;
    holds("there is a version", put.header("nearkv-version").is_some())?;
    equal("body", put.body.len(), 0)?;
    for _ in 0..2 {
        let deleted = scene.send("DELETE /k?urlencoded=true", b"").await?;
        equal("delete", (deleted.status, deleted.body.len()), (200, 0))?;
        holds("there is a version", deleted.header("nearkv-version").is_some())?;
        holds("there is no ETag of nothing", deleted.header("etag").is_none())?;
    }
    scene.put("/empty", "", b"").await?;
    let read = scene.send("GET /empty", b"").await?;
    let got = (read.status, read.header("content-length"), read.body.len());
    equal("an empty value", got, (200, Some("0".to_owned()), 0))
}

async fn chunked(scene: Scene) -> Outcome {
    let mut connection = Connection::open(scene.address).await?;
    connection.write(scene.head("PUT /k\nTransfer-Encoding: chunked", None)).await?;
    connection.write(b"3\r\nabc\r\n").await?;
    connection.write(b"2;x=y\r\nde\r\n0\r\n\r\n").await?;
    equal("put", connection.read(false).await?.status, 200)?;
    equal("read", scene.send("GET /k", b"").await?.text(), "abcde".to_owned())
}

async fn largest(scene: Scene) -> Outcome {
    let value: Vec<u8> = (0..LIMIT).map(|i| (i % 253) as u8).collect();
    scene.put("/k", "", &value).await?;
    let read = scene.send("GET /k", b"").await?;
    holds("it is read as it was written", read.whole && read.body == value)
}

async fn too_long(scene: Scene) -> Outcome {
    let text = "Value length of 26214401 exceeds limit of 26214400.";
    // Nothing of the body is sent: the announcement is enough.
    let mut connection = Connection::open(scene.address).await?;
    connection.write(scene.head("PUT /k", Some(LIMIT + 1))).await?;
    let answer = connection.read_head().await?;
    equal("announced", (answer.status, answer.phrase.as_str()), (413, text))?;
    // Everything is sent before the answer is read, as a browser does: the answer must not be lost by a reset.
    scene.refused("PUT /k", &vec![7; LIMIT + 1], 413, text).await?;

    let mut connection = Connection::open(scene.address).await?;
    connection.write(scene.head("PUT /k\nTransfer-Encoding: chunked", None)).await?;
    let chunk =
        [format!("{:x}\r\n", 1024 * 1024).into_bytes(), vec![7; 1024 * 1024], b"\r\n".to_vec()].concat();
    for _ in 0..25 {
        connection.write(&chunk).await?;
    }
    connection.write(b"1\r\nx\r\n0\r\n\r\n").await?;
    connection.read(false).await?.is_refusal("chunked", 413, text)?;
    equal("nothing was written", scene.send("GET /k", b"").await?.status, 404)
}

async fn broken_off(scene: Scene) -> Outcome {
    scene.put("/k", "", b"before").await?;
    for (head, length, sent) in [
        ("PUT /k", Some(100), &b"half"[..]),
        ("PUT /k\nTransfer-Encoding: chunked", None, b"4\r\nhalf\r\n"),
        ("PUT /k\nTransfer-Encoding: chunked", None, b"4\r\nha"),
    ] {
        let mut connection = Connection::open(scene.address).await?;
        connection.write(scene.head(head, length)).await?;
        connection.write(sent).await?;
        connection.end().await?;
        if let Ok(answer) = connection.read(false).await {
            equal(
                head,
                (answer.status, answer.header("nearkv-reason")),
                (400, Some("body-incomplete".to_owned())),
            )?;
        }
        equal("nothing was written", scene.send("GET /k", b"").await?.text(), "before".to_owned())?;
    }
    Ok(())
}

async fn options(scene: Scene) -> Outcome {
    let positive = "Please specify integer greater than 0.";
    let future = "Please specify integer greater than the current number of seconds since the UNIX epoch.";
    for (query, text) in [
        ("expiration_ttl=0", format!("Invalid expiration_ttl of 0. {positive}")),
        ("expiration_ttl=-5", format!("Invalid expiration_ttl of -5. {positive}")),
        ("expiration_ttl=soon", format!("Invalid expiration_ttl of soon. {positive}")),
        ("expiration_ttl=59", "Invalid expiration_ttl of 59. Expiration TTL must be at least 60.".to_owned()),
        ("expiration=0", format!("Invalid expiration of 0. {future}")),
        ("expiration=1.5", format!("Invalid expiration of 1.5. {future}")),
        // The time to live wins, also when it is wrong.
        ("expiration=9999999999&expiration_ttl=0", format!("Invalid expiration_ttl of 0. {positive}")),
    ] {
        scene.refused(&format!("PUT /k?urlencoded=true&{query}"), b"v", 400, &text).await?;
    }
    equal("nothing was written", scene.send("GET /k", b"").await?.status, 404)?;
    scene.put("/k?urlencoded=true&expiration=1&expiration_ttl=60", "", b"v").await?;
    scene.put("/k?urlencoded=true&expiration=9999999999", "", b"v").await?;
    let expiration = scene.send("GET /k", b"").await?.header("cf-expiration");
    equal("expiration", expiration, Some("9999999999".to_owned()))
}

async fn metadata(scene: Scene) -> Outcome {
    let of_length = |length: usize| format!("CF-KV-Metadata: \"{}\"", "m".repeat(length - 2));
    scene.put("/k", &of_length(1024), b"v").await?;
    for length in [1025, 4096] {
        let text = format!("Metadata length of {length} exceeds limit of 1024.");
        scene.refused(&format!("PUT /k\n{}", of_length(length)), b"v", 413, &text).await?;
    }
    // 512 two-byte characters and the quotes.
    let text = "Metadata length of 1026 exceeds limit of 1024.";
    let bytes = format!("PUT /k\nCF-KV-Metadata: \"{}\"", "é".repeat(512));
    scene.refused(&bytes, b"v", 413, text).await?;
    for bad in ["{", "nul", "a=b"] {
        let head = format!("PUT /k\nCF-KV-Metadata: {bad}");
        scene.refused(&head, b"v", 400, "Metadata must be valid JSON").await?;
    }
    scene.put("/k", "CF-KV-Metadata: null", b"v").await?;
    equal("null", scene.send("GET /k", b"").await?.header("cf-kv-metadata"), None)
}

async fn conditions(scene: Scene) -> Outcome {
    let status = async |head: &str| scene.send(head, b"v").await.map(|answer| answer.status);
    equal("If-Match: *, absent", status("PUT /k\nIf-Match: *").await?, 412)?;
    equal("If-None-Match: *, absent", status("PUT /k\nIf-None-Match: *").await?, 200)?;
    equal("If-None-Match: *, present", status("PUT /k\nIf-None-Match: *").await?, 412)?;
    let etag = scene.put("/k", "", b"v").await?.header("etag").unwrap_or_default();
    equal("the tag, weak", status(&format!("PUT /k\nIf-Match: W/{etag}")).await?, 412)?;
    equal("the tag", status(&format!("PUT /k\nIf-Match: \"x\", {etag}")).await?, 200)?;
    equal("an old tag", status(&format!("DELETE /k\nIf-Match: {etag}")).await?, 412)?;
    equal("a foreign tag", status("PUT /k\nIf-Match: \"x\"").await?, 412)?;
    equal("If-None-Match with a tag", status(&format!("PUT /k\nIf-None-Match: {etag}")).await?, 400)?;
    equal("no tag", status("PUT /k\nIf-Match: x").await?, 400)?;
    equal("DELETE, If-Match: *", status("DELETE /k\nIf-Match: *").await?, 200)?;
    equal("gone", status("GET /k").await?, 404)
}

async fn codings(scene: Scene) -> Outcome {
    let no_gzip = b"\x1f\x8b and so on";
    scene.put("/k", "Content-Encoding: gzip\nContent-Type: text/html", no_gzip).await?;
    let read = scene.send("GET /k\nAccept-Encoding: gzip", b"").await?;
    equal("read", (&read.body[..], read.header("content-encoding")), (&no_gzip[..], None))
}

async fn expect(scene: Scene) -> Outcome {
    let head = "PUT /k\nExpect: 100-continue";
    let mut connection = Connection::open(scene.address).await?;
    connection.write(scene.head(head, Some(1))).await?;
    connection.write(b"v").await?;
    equal("taken", connection.read(false).await?.status, 200)?;
    let mut connection = Connection::open(scene.address).await?;
    connection.write(scene.head(head, Some(LIMIT + 1))).await?;
    let text = "Value length of 26214401 exceeds limit of 26214400.";
    let answer = connection.read(false).await?;
    answer.is_refusal("refused", 413, text)?;
    holds("the refusal is whole at once: no body is waited for", answer.header("content-length").is_some())
}
