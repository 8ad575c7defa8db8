//! `export` and `import`: what goes out comes back byte for byte, also when it was cut off in between.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use nearkv_tests::eventually::eventually;
use serde_json::{Value, json};

use crate::plugin::{Plugin, binary};

/// A file that an import notes its progress in.
const NOTE: &str = "lines.jsonl.import-default-copy";

fn lines(count: usize) -> String {
    let mut text = String::new();
    for n in 0..count {
        writeln!(text, "{}", json!({"key": format!("k{n:06}"), "value": format!("value {n}")})).unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_imported_byte_for_byte() {
    let kv = Plugin::start("export").await;
    let binary = kv.file("binary", binary());
    kv.run(&["put", "data", "binary", "--path", &binary, "--metadata", r#"{"n": 1.50,  "é":"🤓"}"#])
        .await
        .ok();
    kv.run(&["put", "data", "ends", "v", "--expiration", "2114380800"]).await.ok();
    let nasty = json!([
        {"key": "nul\0 \n\"/é🤓\u{7f}", "value": "\u{feff}\r\n\0\u{2028}", "metadata": "text"},
        {"key": "empty", "value": "", "metadata": [null]},
    ]);
    kv.run_with(&["bulk", "put", "data", "-"], nasty.to_string().as_bytes()).await.ok();

    let file = kv.path("lines.jsonl").display().to_string();
    let exported = kv.run(&["export", "data", "--output", &file]).await;
    assert_eq!(exported.code, 0);
    assert_eq!(exported.err, "4 keys of default/data exported\n");
    let said = kv.run(&["import", "copy", &file]).await.text();
    assert_eq!(said, "4 keys imported into default/copy, read back and compared\n");
    let original = std::fs::read(&file).unwrap();
    assert_eq!(original.iter().filter(|byte| **byte == b'\n').count(), 4);
    assert!(kv.run(&["export", "copy"]).await.ok() == original);
    assert!(!kv.path(NOTE).exists(), "nothing is left of a done import");

    // Through a pipe, and again over what is there already.
    kv.run_with(&["import", "copy", "-"], &original).await.ok();
    assert!(kv.run(&["export", "copy"]).await.ok() == original);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_failed_goes_on_behind_what_is_done() {
    let kv = Plugin::start("resumed").await;
    let good = lines(2500);
    let broken = good.replace("{\"key\":\"k001500\"", "{\"key\":");
    let file = kv.file("lines.jsonl", &broken);
    let said = kv.run(&["import", "copy", &file]).await.failed(5);
    assert!(said.contains("line 1501: "), "{said}");
    assert_eq!(kv.keys("copy").await.len(), 1000, "the batch before the broken line's");
    assert!(kv.path(NOTE).exists());

    // What is done is not done again: the deletion stands.
    kv.run(&["delete", "copy", "k000000"]).await.ok();
    kv.file("lines.jsonl", &good);
    let resumed = kv.run(&["import", "copy", &file]).await;
    assert_eq!(resumed.err, "goes on behind line 1000, where it was cut off\n");
    assert!(resumed.text().starts_with("1500 keys imported into default/copy, besides those"));
    assert_eq!(kv.keys("copy").await.len(), 2499);
    assert!(!kv.path(NOTE).exists());

    // Another file with the name is another import.
    kv.file("lines.jsonl", &broken);
    kv.run(&["import", "copy", &file]).await.failed(5);
    kv.file("lines.jsonl", good.replace("value 0\"", "other\""));
    let started = kv.run(&["import", "copy", &file]).await;
    assert!(started.err.contains("is another file than before"), "{}", started.err);
    assert!(started.text().starts_with("2500 keys imported"));
    assert_eq!(kv.run(&["get", "copy", "k000000"]).await.ok(), b"other");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_goes_on() {
    let kv = Plugin::start("killed").await;
    let all = lines(30_000);
    let file = kv.file("lines.jsonl", &all);
    let note = kv.path(NOTE);
    let mut import = kv.command(&["import", "copy", &file]).spawn().unwrap();
    appears(&note).await;
    import.kill().await.unwrap();
    assert!(note.exists(), "it was killed before its end");

    let resumed = kv.run(&["import", "copy", &file]).await;
    assert!(resumed.err.starts_with("goes on behind line "), "{}", resumed.err);
    resumed.ok();
    assert!(kv.run(&["export", "copy"]).await.ok() == all.as_bytes());
}

async fn appears(path: &Path) {
    eventually("the import notes its first batch", async || {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if path.exists() { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn declared_keys_that_are_as_the_file_says_do_not_stop_an_import() {
    let kv = Plugin::start("declared").await;
    kv.run(&["put", "settings", "other", "v"]).await.ok();
    let export = kv.run(&["export", "settings"]).await.text();
    kv.run(&["put", "settings", "other", "changed"]).await.ok();
    let said = kv.run_with(&["import", "settings", "-"], export.as_bytes()).await.text();
    assert_eq!(said, "1 keys imported into default/settings, 1 were there already, read back and compared\n");
    assert_eq!(kv.run(&["get", "settings", "other"]).await.ok(), b"v");
    let other = export.replace("Blog", "Mine");
    let said = kv.run_with(&["import", "settings", "-"], other.as_bytes()).await.failed(5);
    assert!(said.contains("Key \"title\" is declared"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_left_out_and_told() {
    let kv = Plugin::start("ended").await;
    let lines = [
        json!({"key": "ended", "value": "v", "expiration": 1_000_000_000}),
        json!({"key": "ends", "value": "v", "expiration": 2_114_380_800}),
    ];
    let text: String = lines.iter().map(|line: &Value| format!("{line}\n")).collect();
    let said = kv.run_with(&["import", "copy", "-"], text.as_bytes()).await.text();
    assert!(said.starts_with("1 keys imported into default/copy, 1 left out that have ended"), "{said}");
    assert_eq!(kv.keys("copy").await, ["ends"]);
}
