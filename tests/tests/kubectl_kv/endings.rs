//! How commands end: the exit codes that scripts rely on, and what is said with them.

use std::process::Stdio;

use nearkv_tests::ports::free_port;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::plugin::Plugin;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_failure_has_its_exit_code_and_says_what_to_do() {
    let kv = Plugin::start("codes").await;
    let closed = format!("http://127.0.0.1:{}", free_port().unwrap());
    let long = "k".repeat(513);
    let cases: &[(i32, &[&str], &str)] = &[
        (1, &["put", "data", "k", "--path", "/nowhere"], "failed to read /nowhere: No such file"),
        (2, &["get", "data"], "<KEY>"),
        (2, &["get", "Data", "k"], "Malformed KvNamespace name"),
        (2, &["get", "data", &long], "exceeds key length limit of 512"),
        (2, &["put", "data", "k", "v", "--metadata", "{"], "Metadata must be valid JSON"),
        (2, &["get", "data", "k", "--server", "nonsense"], "is no URL of a nearkv server"),
        (2, &["delete", "data"], "KEY"),
        (3, &["get", "data", "nothing"], "there is no key \"nothing\" in default/data"),
        (4, &["get", "nowhere", "k"], "No such KvNamespace default/nowhere"),
        (4, &["list", "data", "-n", "team-a"], "No such KvNamespace team-a/data"),
        (5, &["put", "settings", "title", "Mine"], "is declared by KvNamespace default/settings"),
        (5, &["put", "data", "k", "v", "--ttl", "5"], "Expiration TTL must be at least 60"),
        (6, &["put", "settings", "title", "v", "--if-absent"], ""),
        (7, &["get", "data", "k", "--server", &closed], "cannot be reached"),
        (7, &["get", "data", "k", "--service", "kv/origin"], "failed to find a cluster"),
    ];
    for (code, arguments, told) in cases {
        let mut command = kv.command(arguments);
        if arguments.contains(&"--service") {
            command.env_remove("NEARKV_SERVER");
        }
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        // The declared key is refused with either code, whichever is judged first.
        let expected = if told.is_empty() {
            [5, 6].contains(&output.status.code().unwrap())
        } else {
            output.status.code() == Some(*code)
        };
        assert!(expected, "{arguments:?}: {} {said}", output.status);
        assert!(said.contains(told), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_over_the_limit_is_refused_and_nothing_is_written() {
    let kv = Plugin::start("limit").await;
    let file = kv.path("large");
    std::fs::File::create(&file).unwrap().set_len(25 * 1024 * 1024 + 1).unwrap();
    let said = kv.run(&["put", "data", "k", "--path", &file.display().to_string()]).await.failed(5);
    assert!(said.contains("Value length of 26214401 exceeds limit of 26214400."), "{said}");
    assert!(kv.keys("data").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_error_to_read_about() {
    let kv = Plugin::start("pipe").await;
    let pairs: Vec<_> =
        (0..3000).map(|n| serde_json::json!({"key": format!("{n:0500}"), "value": ""})).collect();
    kv.run_with(&["bulk", "put", "data", "-"], serde_json::json!(pairs).to_string().as_bytes()).await.ok();
    let mut list = kv.command(&["list", "data", "-o", "name"]).spawn().unwrap();
    let mut first = String::new();
    let mut reader = BufReader::new(list.stdout.take().unwrap());
    reader.read_line(&mut first).await.unwrap();
    drop(reader);
    let output = list.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(141), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_fails_leaves_the_old_file() {
    let kv = Plugin::start("kept").await;
    let file = kv.file("kept", "old");
    kv.run(&["get", "data", "nothing", "--output", &file]).await.failed(3);
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
    kv.run(&["export", "nowhere", "--output", &file]).await.failed(4);
    assert_eq!(std::fs::read(&file).unwrap(), b"old");
}
