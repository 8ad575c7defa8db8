//! The pages that a newcomer types from, typed by a test: every command of the README's tour, of `docs/curl.md`
//! and of `docs/kubectl-kv.md` against the development mode that the README starts, and the examples against a real control plane.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

mod compare;
mod examples;
mod transcript;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use nearkv_tests::binaries::Binaries;
use nearkv_tests::folders::new_folder;
use nearkv_tests::nearkv::Dev;
use tokio::process::Command;
use transcript::Block;

/// How the README starts what the pages talk to. The test starts the same, already built, with ports and a state
/// directory of its own.
const START: &str = "cargo run --release -- dev -f examples/blog";

/// Printed after each command: a byte that no answer holds, then its exit status.
const MARK: char = '\u{1e}';

/// `kubectl kv`, as kubectl starts its plugin: the binary that was just built, and none that is on the PATH.
const AS_KUBECTL: &str = r#"kubectl() { test "$1" = kv && shift && "$KUBECTL_KV" "$@"; }"#;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_of_the_readme_prints_what_it_says() {
    let (_, set_up) = transcript::read(&repository().join("README.md")).unwrap();
    assert!(set_up.iter().any(|line| line == START), "the README starts with {START:?}: {set_up:?}");
    walk("README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_curl_commands_prints_what_it_says() {
    walk("docs/curl.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_kubectl_kv_prints_what_it_says() {
    walk("docs/kubectl-kv.md").await;
}

/// Executes a page from its first command to its last, and fails with all differences.
async fn walk(page: &str) {
    let (blocks, _) = transcript::read(&repository().join(page)).unwrap();
    let commands: usize = blocks.iter().map(|block| block.commands.len()).sum();
    assert!(commands > 5, "{page} has {commands} commands");

    let name = page.replace('/', "-");
    let data = new_folder(&name).unwrap();
    let blog = repository().join("examples/blog");
    let dev = Dev::start(&name, &data, &[&blog], &["london", "tokyo"], &[]).await.unwrap();
    let mut differences = String::new();
    for block in &blocks {
        let outputs = execute(block, &dev).await;
        for (command, output) in block.commands.iter().zip(outputs) {
            let difference = match output {
                Some((0, printed)) => compare::difference(&command.expected, &printed),
                Some((status, printed)) => Some(format!("  exit status {status}: {printed}\n")),
                None => Some("  its shell ended before it\n".to_owned()),
            };
            if let Some(difference) = difference {
                differences.push_str(&format!("{page}:{}: $ {}\n{difference}", command.line, command.text));
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}\n{}", dev.process.log());
}

/// Exit status and output of each command of a block, in one shell; `None` for those it did not come to.
async fn execute(block: &Block, dev: &Dev) -> Vec<Option<(i32, String)>> {
    let mut script = format!("exec 2>&1; set -o pipefail\n{AS_KUBECTL}\n");
    for command in &block.commands {
        script.push_str(&format!("{}\nprintf '{MARK}%s{MARK}' $?\n", substitute(&command.text, dev)));
    }
    let kubectl_kv = tokio::task::block_in_place(Binaries::build).unwrap().kubectl_kv;
    let shell = Command::new("bash")
        .args(["-c", &script])
        .env("KUBECTL_KV", kubectl_kv)
        .env("NEARKV_SERVER", dev.origin())
        .env_remove("NEARKV_NAMESPACE")
        .current_dir(repository())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&shell.stdout).into_owned();
    let mut parts = printed.split(MARK);
    let outputs = block.commands.iter().map(|_| {
        let (printed, status) = (parts.next()?, parts.next()?);
        Some((status.parse().ok()?, printed.to_owned()))
    });
    outputs.collect()
}

/// Puts this test's ports in place of those of the page.
fn substitute(command: &str, dev: &Dev) -> String {
    let origin = Some(dev.origin());
    let ports = [("8700", origin), ("8701", dev.region("london")), ("8702", dev.region("tokyo"))];
    ports.iter().fold(command.to_owned(), |command, (port, url)| {
        command.replace(&format!("http://127.0.0.1:{port}"), url.unwrap_or_default())
    })
}
