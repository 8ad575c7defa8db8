//! The wings of the crate import downward only, so that each can be read without those above it.

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Top to bottom, as in the header of `lib.rs`.
const WINGS: [&str; 10] =
    ["upkeep", "commit", "follow", "state", "values", "parts", "metrics", "limits", "format", "store"];
/// What every wing may use: what the crate's users configure and are told.
const FOR_ALL: [&str; 2] = ["config", "settings"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            files(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// The modules of the crate that a file names after `crate::`, those in a `use crate::{…}` included.
fn modules(text: &str) -> Vec<String> {
    let code: String = text
        .split("\n#[cfg(test)]")
        .next()
        .unwrap()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            None => vec![rest],
            Some(group) => top_level(group),
        };
        let word =
            |name: &str| name.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        found.extend(names.into_iter().map(word).filter(|word: &String| !word.is_empty()));
    }
    found
}

/// The members of a group up to its closing brace, nested groups kept whole.
fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members
}

#[test]
fn no_wing_imports_upward() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut upward = Vec::new();
    for (place, wing) in WINGS.iter().enumerate() {
        let mut found = Vec::new();
        files(&source.join(wing), &mut found);
        assert!(!found.is_empty(), "there is no wing {wing}");
        for file in found {
            for module in modules(&fs::read_to_string(&file).unwrap()) {
                // The types at the root of the crate are those of `config` and `settings`, but for the engine itself.
                let is_type = module.starts_with(char::is_uppercase) && module != "Origin";
                let may = is_type || FOR_ALL.contains(&&*module) || WINGS[place..].contains(&&*module);
                if !may {
                    upward
                        .push(format!("{} imports {module}", file.strip_prefix(&source).unwrap().display()));
                }
            }
        }
    }
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

#[test]
fn what_a_file_names_is_found_in_groups_too() {
    let text = "use crate::{\n    Health,\n    commit::{judge, queue::Queue},\n    store,\n};\nlet x = crate::state::y;";
    assert_eq!(modules(text), ["Health", "commit", "store", "state"]);
}
