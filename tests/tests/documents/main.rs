//! The documents name tests as evidence: what they name must exist.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every function that follows a test attribute, anywhere in the repository's own crates.
fn tests_of(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_of(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
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
    }
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let mut known = BTreeSet::new();
    for crate_folder in ["kv", "operator", "edge-cache", "cli", "images", "tests"] {
        for folder in ["src", "tests"].map(|part| repository().join(crate_folder).join(part)) {
            if folder.is_dir() {
                tests_of(&folder, &mut known);
            }
        }
    }
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
