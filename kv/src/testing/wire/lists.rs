//! GET of the base: the JSON of a page, and the form-encoded query.

use futures::FutureExt;

use super::{Case, Outcome, Scene, equal, holds};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("a page is JSON with metadata as text", |scene| page(scene).boxed()),
        Case::new("a query is form-encoded, and empty is none", |scene| query(scene).boxed()),
        Case::new("pages follow their cursors", |scene| cursors(scene).boxed()),
        Case::new("a list is refused in the contract's words", |scene| refusals(scene).boxed()),
    ]
}

async fn page(scene: Scene) -> Outcome {
    scene.put("/a", "", b"v").await?;
    scene.put("/b?expiration=9999999999", "CF-KV-Metadata: {\"x\": \"é\"}", b"v").await?;
    scene.put("/c", "CF-KV-Metadata: \"s\"", b"v").await?;
    scene.put("/%22%00", "CF-KV-Metadata: 0", b"v").await?;
    let expected = concat!(
        r#"{"keys":[{"name":"\"\u0000","metadata":"0"},{"name":"a"},"#,
        r#"{"name":"b","expiration":9999999999,"metadata":"{\"x\": \"é\"}"},"#,
        r#"{"name":"c","metadata":"\"s\""}],"list_complete":true}"#
    );
    for target in ["/", "/?", "/?prefix=&cursor="] {
        let listed = scene.send(&format!("GET {target}"), b"").await?;
        equal(target, (listed.status, listed.text()), (200, expected.to_owned()))?;
        equal("type", listed.header("content-type"), Some("application/json".to_owned()))?;
        holds("a list has a version", listed.header("nearkv-version").is_some())?;
        holds("a list has no CF-Cache-Status", listed.header("cf-cache-status").is_none())?;
    }
    Ok(())
}

async fn query(scene: Scene) -> Outcome {
    for target in ["/a%20b%2Bc%2F%26%C3%A9-1", "/a+b", "/a%20b"] {
        scene.put(target, "", b"v").await?;
    }
    for (query, names) in [
        ("key_count_limit=10&prefix=a+b%2Bc%2F%26%C3%A9", r#"{"name":"a b+c/&é-1"}"#),
        ("prefix=a+b%2B", r#"{"name":"a b+c/&é-1"}"#),
        ("prefix=a%2B", r#"{"name":"a+b"}"#),
        ("prefix=a%20b&prefix=zzz", r#"{"name":"a b"},{"name":"a b+c/&é-1"}"#),
        ("prefix=x", ""),
    ] {
        let listed = scene.send(&format!("GET /?{query}"), b"").await?;
        equal(query, listed.text(), format!("{{\"keys\":[{names}],\"list_complete\":true}}"))?;
    }
    Ok(())
}

async fn cursors(scene: Scene) -> Outcome {
    for i in 0..5 {
        scene.put(&format!("/k{i}"), "", b"v").await?;
    }
    let (mut query, mut pages) = ("/?key_count_limit=2".to_owned(), Vec::new());
    while pages.len() < 4 {
        let text = scene.send(&format!("GET {query}"), b"").await?.text();
        let cursor =
            text.split_once("\"cursor\":\"").map(|(_, rest)| rest.trim_end_matches("\"}").to_owned());
        equal("complete", text.contains("\"list_complete\":true"), cursor.is_none())?;
        pages.push(text.matches("\"name\"").count());
        let Some(cursor) = cursor else { break };
        holds(
            "a cursor is fit for a URL",
            cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
        )?;
        query = format!("/?key_count_limit=2&prefix=k&cursor={cursor}");
    }
    equal("pages", pages, vec![2, 2, 1])
}

async fn refusals(scene: Scene) -> Outcome {
    let limit = "Invalid key_count_limit of";
    for (query, status, text) in [
        (
            "key_count_limit=0".to_owned(),
            400,
            format!("{limit} 0. Please specify an integer greater than 0."),
        ),
        (
            "key_count_limit=-1".to_owned(),
            400,
            format!("{limit} -1. Please specify an integer greater than 0."),
        ),
        (
            "key_count_limit=x".to_owned(),
            400,
            format!("{limit} x. Please specify an integer greater than 0."),
        ),
        (
            "key_count_limit=1001".to_owned(),
            400,
            format!("{limit} 1001. Please specify an integer less than 1000."),
        ),
        ("cursor=c%2B%2F%3D".to_owned(), 400, "Invalid cursor.".to_owned()),
        (
            format!("prefix={}", "p".repeat(513)),
            414,
            "UTF-8 encoded length of 513 exceeds key length limit of 512.".to_owned(),
        ),
        ("prefix=%FF".to_owned(), 400, "Could not URL-decode key name".to_owned()),
    ] {
        scene.refused(&format!("GET /?{query}"), b"", status, &text).await?;
    }
    equal("1000 is allowed", scene.send("GET /?key_count_limit=1000", b"").await?.status, 200)
}
