//! The documents against the repository: every test, section and file that they name exists, and so does every section
//! of docs/design/ that code and documents cite.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

mod citations;
mod links;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The text files of the repository, by their path in it: those in Git, and new ones that Git does not ignore.
fn texts() -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let paths = String::from_utf8(listed.stdout).unwrap();
    // A file that was just deleted is listed and not there; one that is not UTF-8 is no text.
    let text = |path: &str| Some((path.to_owned(), std::fs::read_to_string(repository().join(path)).ok()?));
    let texts: Vec<_> = paths.split_terminator('\0').filter_map(text).collect();
    assert!(texts.len() > 100, "git lists only {} files", texts.len());
    texts
}

/// Every function that follows a test attribute, anywhere in the repository.
fn known_tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in texts().iter().filter(|(path, _)| path.ends_with(".rs")) {
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some((_, rest)) = line.split_once("fn ")
                && std::mem::take(&mut is_test)
            {
                found.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    }
    found
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let known = known_tests();
    let page = std::fs::read_to_string(repository().join("docs/guarantees.md")).unwrap();
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise")).collect();
    assert!(rows.len() > 10, "the page has lost its tables");
    for row in rows {
        let evidence = row.split('|').nth(2).unwrap_or_default();
        let named: Vec<&str> = evidence.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test is named in: {row}");
        for name in named {
            assert!(known.contains(name), "there is no test {name}, named in: {row}");
        }
    }
}
