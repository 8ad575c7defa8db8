//! GET and HEAD of a key: headers, conditions, ranges.

use futures::FutureExt;

use super::{Case, Outcome, Scene, equal, holds};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a read answers with everything that is known", |scene| headers(scene).boxed()),
        Case::new("an absence says when it is true", |scene| absence(scene).boxed()),
        Case::new("HEAD is GET without the value", |scene| head(scene).boxed()),
        Case::new("one range is answered, more are not", |scene| ranges(scene).boxed()),
        Case::new("who has the entry gets 304", |scene| conditions(scene).boxed()),
        Case::new("cache_ttl is at least 30", |scene| cache_ttl(scene).boxed()),
        Case::new("a minimal version is asked for by header", |scene| min_version(scene).boxed()),
    ]
}

/// The headers that every answer has.
const STATE: [&str; 5] = ["nearkv-version", "nearkv-time", "nearkv-age", "age", "cache-control"];

async fn headers(scene: Scene) -> Outcome {
    let metadata = "{\"a\":\"é🤓\",\"n\":1}";
    let put = scene.put("/k?expiration_ttl=3600", &format!("CF-KV-Metadata: {metadata}"), b"value").await?;
    let read = scene.send("GET /k?urlencoded=true", b"").await?;
    equal("answer", (read.status, read.phrase.as_str(), read.text()), (200, "OK", "value".to_owned()))?;
    equal("metadata", read.header("cf-kv-metadata"), Some(metadata.to_owned()))?;
    equal("length", read.header("content-length"), Some("5".to_owned()))?;
    equal("etag", (read.header("etag").is_some(), read.header("etag")), (true, put.header("etag")))?;
    for name in STATE.iter().chain(&["cf-cache-status", "cf-expiration", "accept-ranges"]) {
        holds(&format!("there is a header {name}"), read.header(name).is_some())?;
    }
    let left = read.header("nearkv-expires-in").and_then(|ms| ms.parse::<u64>().ok());
    holds("Nearkv-Expires-In is in ms", left.is_some_and(|ms| (3_500_000..=3_600_999).contains(&ms)))?;
    let control = read.header("cache-control").unwrap_or_default();
    holds("Cache-Control is private", control.starts_with("private, max-age="))?;
    holds("no content coding", read.header("content-encoding").is_none())
}

async fn absence(scene: Scene) -> Outcome {
    let read = scene.send("GET /k", b"").await?;
    equal(
        "answer",
        (read.status, read.phrase.as_str(), read.text()),
        (404, "Not Found", "Not Found".to_owned()),
    )?;
    for name in STATE.iter().chain(&["cf-cache-status"]) {
        holds(&format!("there is a header {name}"), read.header(name).is_some())?;
    }
    holds("there is no reason: it is no error", read.header("nearkv-reason").is_none())
}

async fn head(scene: Scene) -> Outcome {
    scene.put("/k", "CF-KV-Metadata: 1", b"value").await?;
    let mut connection = super::Connection::open(scene.address).await?;
    let head = scene.send_on(&mut connection, "HEAD /k\nRange: bytes=0-0", b"").await?;
    equal("status", head.status, 200)?;
    equal("length", head.header("content-length"), Some("5".to_owned()))?;
    equal("metadata", head.header("cf-kv-metadata"), Some("1".to_owned()))?;
    equal("absent", scene.send_on(&mut connection, "HEAD /absent", b"").await?.status, 404)?;
    equal("list", scene.send_on(&mut connection, "HEAD /", b"").await?.status, 200)?;
    // Had a body come, it would stand before this answer.
    equal(
        "next on the connection",
        scene.send_on(&mut connection, "GET /k", b"").await?.text(),
        "value".to_owned(),
    )
}

async fn ranges(scene: Scene) -> Outcome {
    let put = scene.put("/k", "", b"0123456789").await?;
    let etag = put.header("etag").unwrap_or_default();
    for (headers, status, body, content_range) in [
        ("Range: bytes=2-4".to_owned(), 206, "234", Some("bytes 2-4/10")),
        ("Range: bytes=8-".to_owned(), 206, "89", Some("bytes 8-9/10")),
        ("Range: bytes=-3".to_owned(), 206, "789", Some("bytes 7-9/10")),
        ("Range: bytes=5-99".to_owned(), 206, "56789", Some("bytes 5-9/10")),
        ("Range: bytes=10-".to_owned(), 416, "Range Not Satisfiable", Some("bytes */10")),
        ("Range: bytes=0-1,4-5".to_owned(), 200, "0123456789", None),
        ("Range: lines=0-1".to_owned(), 200, "0123456789", None),
        (format!("Range: bytes=2-4\nIf-Range: {etag}"), 206, "234", Some("bytes 2-4/10")),
        ("Range: bytes=2-4\nIf-Range: \"other\"".to_owned(), 200, "0123456789", None),
        (format!("Range: bytes=2-4\nIf-None-Match: {etag}"), 304, "", None),
    ] {
        let read = scene.send(&format!("GET /k\n{headers}"), b"").await?;
        let got = (read.status, read.text(), read.header("content-range"));
        equal(&headers, got, (status, body.to_owned(), content_range.map(str::to_owned)))?;
    }
    let large: Vec<u8> = (0..1_000_000u32).map(|i| (i % 251) as u8).collect();
    scene.put("/large", "", &large).await?;
    let read = scene.send("GET /large\nRange: bytes=700000-899999", b"").await?;
    holds("a range of a large value", read.status == 206 && read.body == large[700_000..900_000])
}

async fn conditions(scene: Scene) -> Outcome {
    let etag = scene.put("/k?expiration_ttl=3600", "", b"v").await?.header("etag").unwrap_or_default();
    for (header, status) in [
        (format!("If-None-Match: {etag}"), 304),
        (format!("If-None-Match: W/{etag}"), 304),
        (format!("If-None-Match: \"x\", {etag}"), 304),
        ("If-None-Match: *".to_owned(), 304),
        ("If-None-Match: \"x\"".to_owned(), 200),
        (format!("If-Match: {etag}"), 200),
        ("If-Match: *".to_owned(), 200),
        ("If-Match: \"x\"".to_owned(), 412),
        ("If-None-Match: x".to_owned(), 400),
    ] {
        let read = scene.send(&format!("GET /k\n{header}"), b"").await?;
        equal(&header, read.status, status)?;
        if status == 304 {
            equal("a 304 has no body", read.body.len(), 0)?;
            equal("a 304 has the tag", read.header("etag"), Some(etag.clone()))?;
            for name in STATE.iter().chain(&["cf-expiration"]) {
                holds(&format!("a 304 has a header {name}"), read.header(name).is_some())?;
            }
        }
    }
    equal("absent", scene.send("GET /absent\nIf-None-Match: *", b"").await?.status, 404)
}

async fn cache_ttl(scene: Scene) -> Outcome {
    for given in ["0", "29", "-1", "x", "", "30.5", "+60"] {
        let shown = given.replace('+', " ");
        let text = format!("Invalid cache_ttl of {shown}. Cache TTL must be at least 30.");
        scene.refused(&format!("GET /k?urlencoded=true&cache_ttl={given}"), b"", 400, &text).await?;
    }
    for given in ["30", "60", "2147483647", "9007199254740991", "99999999999999999999999"] {
        let read = scene.send(&format!("GET /k?urlencoded=true&cache_ttl={given}"), b"").await?;
        equal(given, read.status, 404)?;
    }
    Ok(())
}

async fn min_version(scene: Scene) -> Outcome {
    let version = scene.put("/k", "", b"v").await?.header("nearkv-version").unwrap_or_default();
    let read = scene.send(&format!("GET /k\nNearkv-Min-Version: {version}"), b"").await?;
    equal("reached", read.text(), "v".to_owned())?;
    let read = scene.send(&format!("GET /k\nNearkv-Min-Version: {version}000000"), b"").await?;
    let got = (read.status, read.header("nearkv-reason"));
    equal("not reached", got, (412, Some("version-not-reached".to_owned())))?;
    holds("it says what is", read.header("nearkv-version").is_some())?;
    equal("malformed", scene.send("GET /k\nNearkv-Min-Version: 7", b"").await?.status, 400)
}
