//! `bulk put`, `get` and `delete` in wrangler's file format, and lists over several pages.

use serde_json::{Value, json};

use crate::plugin::Plugin;

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_of_several_pages_is_written_listed_read_and_deleted() {
    let kv = Plugin::start("bulk").await;
    let pairs: Vec<Value> = (0..2500)
        .map(|n| json!({"key": format!("k{n:04}"), "value": format!("v{n}"), "metadata": {"n": n}}))
        .collect();
    let file = kv.file("pairs.json", json!(pairs).to_string());
    assert_eq!(kv.run(&["bulk", "put", "data", &file]).await.text(), "2500 keys of default/data put\n");
    assert_eq!(kv.keys("data").await.len(), 2500);
    let names = kv.run(&["list", "data", "-o", "name", "--limit", "1200"]).await.text();
    assert_eq!((names.lines().count(), names.lines().last()), (1200, Some("k1199")));

    let wanted = kv.file("wanted.json", r#"["k0001", "nothing", {"name": "k2499"}]"#);
    let read: Value = serde_json::from_slice(&kv.run(&["bulk", "get", "data", &wanted]).await.ok()).unwrap();
    assert_eq!(read, json!({"k0001": "v1", "nothing": null, "k2499": "v2499"}));
    let read = kv.run(&["bulk", "get", "data", &wanted, "--metadata"]).await.ok();
    assert_eq!(
        serde_json::from_slice::<Value>(&read).unwrap()["k0001"],
        json!({"value": "v1", "metadata": {"n": 1}})
    );

    // What a list prints can be deleted as it is.
    let listed = kv.run(&["list", "data", "--prefix", "k2", "-o", "json"]).await.ok();
    kv.run_with(&["bulk", "delete", "data", "-"], &listed).await.ok();
    assert_eq!(kv.keys("data").await.len(), 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_bulk_are_bytes_and_of_a_key_the_last_wins() {
    let kv = Plugin::start("bulk-bytes").await;
    let pairs = json!([
        {"key": "twice", "value": "first"},
        {"key": "nul\0key", "value": "AAH/", "base64": true, "expiration": 2_114_380_800},
        {"key": "twice", "value": "last", "expiration_ttl": 3600},
    ]);
    kv.run_with(&["bulk", "put", "data", "-"], pairs.to_string().as_bytes()).await.ok();
    assert_eq!(kv.run(&["get", "data", "twice"]).await.ok(), b"last");
    let line: Value =
        serde_json::from_slice(&kv.run(&["export", "data", "--prefix", "n"]).await.ok()).unwrap();
    assert_eq!(line, pairs[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_bulk_writes_nothing() {
    let kv = Plugin::start("bulk-refused").await;
    let good = r#"{"key":"good","value":"v"}"#;
    for (file, told) in [
        (
            format!("[{good}, {{\"key\":\"title\",\"value\":\"Mine\"}}]"),
            "is declared by KvNamespace default/settings",
        ),
        (format!("[{good}, {{\"key\":\"x\",\"value\":\"%\",\"base64\":true}}]"), "base64 value of key \"x\""),
        (format!("[{good}, {{\"key\":\"..\",\"value\":\"\"}}]"), "Illegal key name"),
        (format!("[{good}, {{\"key\":\"x\",\"value\":\"\",\"expiration_ttl\":5}}]"), "expiration_ttl of 5"),
        (format!("[{good},"), "standard input: EOF"),
        (good.to_owned(), "expected a JSON array"),
    ] {
        let said = kv.run_with(&["bulk", "put", "settings", "-"], file.as_bytes()).await.failed(5);
        assert!(said.contains(told), "{file}: {said}");
        assert_eq!(kv.keys("settings").await, ["title"], "{file}");
    }
    kv.run_with(&["bulk", "delete", "settings", "-"], br#"["title"]"#).await.failed(5);
    assert_eq!(
        kv.run_with(&["bulk", "put", "data", "-"], b"[]").await.text(),
        "0 keys of default/data put\n"
    );
}
