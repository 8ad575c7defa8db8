//! `put`, `get`, `delete` and `list`: any key, any bytes, and what belongs to them.

use serde_json::{Value, json};

use crate::plugin::{Plugin, binary};

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_read_byte_for_byte_whatever_way_it_came() {
    let kv = Plugin::start("bytes").await;
    let bytes = binary();
    let file = kv.file("value.bin", &bytes);
    kv.run(&["put", "data", "by-path", "--path", &file]).await.ok();
    kv.run_with(&["put", "data", "by-pipe"], &bytes).await.ok();
    kv.run_with(&["put", "data", "by-dash", "--path", "-"], &bytes).await.ok();
    for key in ["by-path", "by-pipe", "by-dash"] {
        assert!(kv.run(&["get", "data", key]).await.ok() == bytes, "{key}: standard output");
        let output = kv.path("read.bin").display().to_string();
        assert_eq!(kv.run(&["get", "data", key, "--output", &output]).await.text(), "");
        assert!(std::fs::read(&output).unwrap() == bytes, "{key}: --output");
    }
    kv.run(&["put", "data", "empty", ""]).await.ok();
    assert_eq!(kv.run(&["get", "data", "empty"]).await.ok(), b"");
    assert_eq!(kv.run(&["get", "data", "empty", "--text"]).await.ok(), b"\n");
    assert!(kv.run(&["get", "data", "by-path", "--text"]).await.failed(5).contains("is no text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_hold_anything_that_a_command_line_can() {
    let kv = Plugin::start("keys").await;
    let long = "é".repeat(256);
    let mut keys = [
        "a b",
        " ",
        "a/b",
        "/a//b/",
        "%2F",
        "a%20b",
        "+",
        "a+b",
        "?x=1&y#z",
        "...",
        "../up",
        "é🤓",
        "\"q\" 'q' `q`",
        "$(echo)",
        "*",
        "~",
        "a\nb",
        "\t\u{1b}[0m\u{7f}",
        "-dash",
        "--prefix",
        "bulk/get",
        "\\",
        "[]^|{}",
        &long,
    ];
    for key in keys {
        kv.run(&["put", "data", "--", key, key]).await.ok();
    }
    for key in keys {
        assert_eq!(kv.run(&["get", "data", "--", key]).await.text(), key);
    }
    keys.sort_unstable();
    assert_eq!(kv.keys("data").await, keys);
    let mut deletion = vec!["delete", "data", "--"];
    deletion.extend(&keys[1..]);
    kv.run(&deletion).await.ok();
    assert_eq!(kv.keys("data").await, keys[..1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_expiration_come_back() {
    let kv = Plugin::start("beside").await;
    let metadata = r#"{"owner": "wéb", "n": 1.50}"#;
    let put = ["put", "data", "k", "v", "--metadata", metadata, "--expiration", "2114380800"];
    let said = kv.run(&put).await.text();
    assert_eq!(kv.run(&["get", "data", "k", "--metadata"]).await.text(), format!("{metadata}\n"));
    let details: Value =
        serde_json::from_slice(&kv.run(&["get", "data", "k", "--details"]).await.ok()).unwrap();
    assert_eq!((&details["bytes"], &details["expiration"]), (&json!(1), &json!(2_114_380_800)));
    assert!(said.contains(details["version"].as_str().unwrap()), "{said}");
    assert_eq!(
        kv.run(&["list", "data"]).await.text(),
        format!("KEY   EXPIRES                METADATA\nk     2037-01-01T00:00:00Z   {metadata}\n")
    );
    kv.run(&["put", "data", "short", "v", "--ttl", "60"]).await.ok();
    let listed: Value =
        serde_json::from_slice(&kv.run(&["list", "data", "--prefix", "s", "-o", "json"]).await.ok()).unwrap();
    assert!(listed[0]["expiration"].is_u64(), "{listed}");
    assert_eq!(kv.run(&["get", "data", "short", "--metadata"]).await.text(), "null\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_holds_or_nothing_is_written() {
    let kv = Plugin::start("conditions").await;
    kv.run(&["put", "data", "k", "v", "--if-match", "*"]).await.failed(6);
    kv.run(&["put", "data", "k", "one", "--if-absent"]).await.ok();
    kv.run(&["put", "data", "k", "two", "--if-absent"]).await.failed(6);
    let details = kv.run(&["get", "data", "k", "--details"]).await.ok();
    let version = serde_json::from_slice::<Value>(&details).unwrap()["version"].as_str().unwrap().to_owned();
    kv.run(&["put", "data", "k", "three", "--if-match", &version]).await.ok();
    kv.run(&["put", "data", "k", "four", "--if-match", &version]).await.failed(6);
    kv.run(&["delete", "data", "k", "--if-match", &version]).await.failed(6);
    assert_eq!(kv.run(&["get", "data", "k"]).await.ok(), b"three");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_by_prefix_asks_and_takes_only_a_yes() {
    let kv = Plugin::start("asking").await;
    for key in ["a/1", "a/2", "b/1"] {
        kv.run(&["put", "data", key, "v"]).await.ok();
    }
    let deletion = ["delete", "data", "--prefix", "a/"];
    for answer in ["", "n\n", "\n", "maybe\n"] {
        let said = kv.run_with(&deletion, answer.as_bytes()).await.failed(2);
        assert!(said.contains("Delete 2 keys of default/data that start with \"a/\"? [y/N]"), "{said}");
        assert_eq!(kv.keys("data").await.len(), 3, "after {answer:?}");
    }
    kv.run_with(&deletion, b"y\n").await.ok();
    assert_eq!(kv.keys("data").await, ["b/1"]);
    kv.run(&["delete", "data", "--prefix", "", "--yes"]).await.ok();
    assert!(kv.keys("data").await.is_empty());
    assert!(
        kv.run(&["delete", "data", "--prefix", "", "-y"]).await.text().is_empty(),
        "nothing to ask about"
    );
}
