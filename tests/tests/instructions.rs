//! What one read, one put and one list cost, in instructions that callgrind counts: the figure hardly depends on what else
//! the machine does, so a change that makes one dearer is seen.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

/// More than this above the recorded count fails.
const TOLERANCE_PERCENT: u64 = 3;
/// The difference of two runs is what the operations between them cost; start and filling fall out.
const RUNS: [u64; 2] = [100, 400];

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.json")
}

/// The instructions of one run.
fn count(operation: &str, times: u64) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_instructions"))
        .args([operation, &times.to_string()])
        .current_dir(folder.path())
        .output()
        .expect("valgrind is not installed: install Debian's package valgrind");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let collected = text.lines().find_map(|line| line.split("Collected :").nth(1));
    collected.unwrap_or_else(|| panic!("no count in {text}")).trim().parse().unwrap()
}

/// To record counts anew, after a change that is worth its price: `NEARKV_BLESS=1 cargo test --test instructions`.
#[test]
fn one_read_one_put_and_one_list_cost_no_more_than_recorded() {
    let measured: BTreeMap<&str, u64> = ["read", "put", "list"]
        .into_iter()
        .map(|operation| {
            let [few, many] = RUNS.map(|times| count(operation, times));
            (operation, (many - few) / (RUNS[1] - RUNS[0]))
        })
        .collect();
    println!("instructions per operation: {measured:?}");
    if std::env::var_os("NEARKV_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&measured).unwrap() + "\n";
        std::fs::write(recorded(), text).unwrap();
        return;
    }
    let text = std::fs::read_to_string(recorded()).unwrap();
    let recorded: BTreeMap<String, u64> = serde_json::from_str(&text).unwrap();
    for (operation, cost) in measured {
        let most = recorded[operation] * (100 + TOLERANCE_PERCENT) / 100;
        assert!(
            cost <= most,
            "one {operation} takes {cost} instructions, {} were recorded: find what has become dearer, or record anew",
            recorded[operation]
        );
    }
}
