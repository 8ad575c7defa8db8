//! Values, metadata and keys over REST.

use futures::FutureExt;
use serde_json::json;

use super::{Connection, Failure, Outcome, Rest, RestCase, equal, holds};

/// A key with everything that paths make difficult, and how it stands in one.
const KEY: &str = "a b/c+d:%é?#..";
const ENCODED: &str = "a%20b%2Fc+d:%25%C3%A9%3F%23..";

pub(super) fn cases() -> Vec<RestCase> {
    vec![
        RestCase::new("a value is kept as it was sent, whatever its media type", |r| raw(r).boxed()),
        RestCase::new("a form holds value and metadata in any order", |r| forms(r).boxed()),
        RestCase::new("a form that is not whole writes nothing", |r| broken_forms(r).boxed()),
        RestCase::new("a key is decoded exactly once, on both faces", |r| keys(r).boxed()),
        RestCase::new("expirations are kept, shown and refused", |r| expirations(r).boxed()),
        RestCase::new("keys are listed page by page", |r| listed(r).boxed()),
        RestCase::new("a value whose sender goes away writes nothing", |r| cut_off(r).boxed()),
    ]
}

fn form(parts: &[(&str, &str)]) -> String {
    let part = |(name, text): &(&str, &str)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--b--\r\n"
}

fn put_form(rest: &Rest, key: &str) -> String {
    format!("PUT {}\nContent-Type: multipart/form-data; boundary=b", rest.at(&format!("/values/{key}")))
}

async fn raw(rest: Rest) -> Outcome {
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for (media_type, value) in [
        ("application/octet-stream", bytes.as_slice()),
        ("application/json", b"{\"value\":1}"),
        ("text/plain", b""),
    ] {
        let head = format!("PUT {}\nContent-Type: {media_type}", rest.at("/values/k"));
        equal("result", &rest.ok(&head, value).await?["result"], &json!(null))?;
        equal(media_type, rest.value("k").await?, Some(value.to_vec()))?;
    }
    let answer = rest.send(&format!("GET {}", rest.at("/values/k")), b"").await?;
    equal("media type", answer.header("content-type").as_deref(), Some("application/octet-stream"))?;
    holds("no expiration", answer.header("expiration").is_none())?;
    let head = rest.send(&format!("HEAD {}", rest.at("/values/k")), b"").await?;
    equal("HEAD", (head.status, head.body.len()), (200, 0))?;
    equal(
        "metadata",
        &rest.ok(&format!("GET {}", rest.at("/metadata/k")), b"").await?["result"],
        &json!(null),
    )?;
    for _ in 0..2 {
        rest.ok(&format!("DELETE {}", rest.at("/values/k")), b"").await?;
    }
    let text = rest.refused(&format!("GET {}", rest.at("/values/k")), b"", 404, 10_009).await?;
    equal("its text", text.as_str(), "get: 'key not found'")
}

async fn forms(rest: Rest) -> Outcome {
    let metadata = r#"{"a": "é", "n": [1.50]}"#;
    for (key, body) in [
        ("after", form(&[("value", "v\r\n--x"), ("metadata", metadata)])),
        ("before", form(&[("metadata", metadata), ("value", "v\r\n--x")])),
    ] {
        rest.ok(&put_form(&rest, key), body.as_bytes()).await?;
        equal(key, rest.value(key).await?, Some(b"v\r\n--x".to_vec()))?;
        let shown = rest.ok(&format!("GET {}", rest.at(&format!("/metadata/{key}"))), b"").await?;
        equal("metadata", &shown["result"], &json!({"a": "é", "n": [1.5]}))?;
    }
    rest.ok(&put_form(&rest, "after"), form(&[("value", "2")]).as_bytes()).await?;
    let shown = rest.ok(&format!("GET {}", rest.at("/metadata/after")), b"").await?;
    equal("a put without metadata has none", &shown["result"], &json!(null))?;
    let large = "x".repeat(3_000_000);
    rest.ok(&put_form(&rest, "large"), form(&[("metadata", "1"), ("value", &large)]).as_bytes()).await?;
    equal("a large value", rest.value("large").await?.map(|value| value.len()), Some(large.len()))
}

async fn broken_forms(rest: Rest) -> Outcome {
    let whole = form(&[("metadata", "1"), ("value", "v")]);
    for (what, body, status, code) in [
        ("metadata that are no JSON", form(&[("value", "v"), ("metadata", "{")]), 400, 10_147),
        ("flattened metadata", form(&[("value", "v"), ("metadata[a]", "1")]), 400, 10_147),
        (
            "too long metadata",
            form(&[("value", "v"), ("metadata", &format!("\"{}\"", "m".repeat(1023)))]),
            413,
            10_030,
        ),
        ("no value", form(&[("metadata", "1")]), 400, 10_012),
        ("two values", form(&[("value", "v"), ("value", "w")]), 400, 10_012),
        (
            "a part behind the streamed value",
            form(&[("metadata", "1"), ("value", "v"), ("x", "y")]),
            400,
            10_012,
        ),
        ("no end", whole.trim_end_matches("--\r\n").to_owned(), 400, 10_012),
        ("half a value", whole[..whole.len() - 9].to_owned(), 400, 10_012),
        ("nothing", String::new(), 400, 10_012),
    ] {
        rest.refused(&put_form(&rest, "k"), body.as_bytes(), status, code)
            .await
            .map_err(|Failure(why)| Failure(format!("{what}: {why}")))?;
        equal(what, rest.value("k").await?, None)?;
    }
    let head = format!("PUT {}\nContent-Type: multipart/form-data", rest.at("/values/k"));
    rest.refused(&head, whole.as_bytes(), 400, 10_012).await.map(drop)
}

async fn keys(rest: Rest) -> Outcome {
    rest.ok(&format!("PUT {}", rest.at(&format!("/values/{ENCODED}"))), b"v").await?;
    rest.ok(&format!("PUT {}", rest.at("/values/a//../b/")), b"raw slashes").await?;
    let binding = format!("/kv/{}", rest.namespace);
    let answer = rest.send(&format!("GET {binding}/{ENCODED}"), b"").await?;
    equal("by the binding", (answer.status, answer.text().as_str()), (200, "v"))?;
    let listed = rest.ok(&format!("GET {}", rest.at("/keys?prefix=")), b"").await?;
    equal("listed", &listed["result"], &json!([{ "name": KEY }, { "name": "a//../b/" }]))?;
    rest.send(&format!("PUT {binding}/x?urlencoded=true\nCF-KV-Metadata: {{\"a\":1}}"), b"y").await?;
    equal("the other way round", rest.value("x").await?, Some(b"y".to_vec()))?;
    for (key, status, code) in [
        ("", 400, 10_012),
        (".", 400, 10_012),
        ("..", 400, 10_012),
        ("%zz", 400, 10_012),
        ("%FF", 400, 10_012),
        (&"k".repeat(513), 414, 10_030),
    ] {
        rest.refused(&format!("PUT {}", rest.at(&format!("/values/{key}"))), b"v", status, code).await?;
    }
    Ok(())
}

async fn expirations(rest: Rest) -> Outcome {
    let at = rest.harness.now().seconds() + 1000;
    rest.ok(&format!("PUT {}", rest.at(&format!("/values/k?expiration={at}"))), b"v").await?;
    let answer = rest.send(&format!("GET {}", rest.at("/values/k")), b"").await?;
    equal("header", answer.header("expiration"), Some(at.to_string()))?;
    let listed = rest.ok(&format!("GET {}", rest.at("/keys")), b"").await?;
    equal("listed", &listed["result"][0]["expiration"], &json!(at))?;
    rest.ok(&format!("PUT {}", rest.at("/values/k?expiration=1&expiration_ttl=60")), b"v").await?;
    for (query, code) in [
        ("expiration=1", 10_033),
        ("expiration=x", 10_033),
        ("expiration_ttl=59", 10_034),
        ("expiration_ttl=1.5", 10_034),
    ] {
        rest.refused(&format!("PUT {}", rest.at(&format!("/values/k?{query}"))), b"w", 400, code).await?;
    }
    equal("unchanged", rest.value("k").await?, Some(b"v".to_vec()))
}

async fn listed(rest: Rest) -> Outcome {
    let pairs: Vec<_> =
        (0..25).map(|n| json!({ "key": format!("p/{n:02}"), "value": "", "metadata": n })).collect();
    rest.ok(&format!("PUT {}", rest.at("/bulk")), json!(pairs).to_string().as_bytes()).await?;
    let (mut cursor, mut names, mut counts) = (String::new(), Vec::new(), Vec::new());
    loop {
        let target = rest.at(&format!("/keys?limit=10&prefix=p%2F&cursor={cursor}"));
        let page = rest.ok(&format!("GET {target}"), b"").await?;
        counts.push(page["result_info"]["count"].as_u64().unwrap_or_default());
        for key in page["result"].as_array().into_iter().flatten() {
            names.push((key["name"].as_str().unwrap_or_default().to_owned(), key["metadata"].as_u64()));
        }
        let next = &page["result_info"]["cursor"];
        cursor = next.as_str().ok_or_else(|| Failure(format!("no cursor: {next}")))?.to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    equal("pages", counts, vec![10, 10, 5])?;
    equal("names", names, (0..25).map(|n| (format!("p/{n:02}"), Some(n))).collect())?;
    for query in ["limit=9", "limit=1001", "limit=x", "cursor=x"] {
        rest.refused(&format!("GET {}", rest.at(&format!("/keys?{query}"))), b"", 400, 10_012).await?;
    }
    Ok(())
}

async fn cut_off(rest: Rest) -> Outcome {
    for target in [rest.at("/values/k"), rest.at("/bulk")] {
        let mut connection = Connection::open(rest.address).await?;
        connection.write(Rest::head(&format!("PUT {target}"), Some(1000))).await?;
        connection.write(br#"[{"key":"k","value":"v"}]"#).await?;
        connection.end().await?;
        // Whether there is an answer or only the end of the connection: nothing is written.
        let _answer = connection.read(false).await;
        equal(&target, rest.value("k").await?, None)?;
    }
    Ok(())
}
