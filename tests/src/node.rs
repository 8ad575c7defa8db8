//! The tests of the real clients of Workers KV in `tests/conformance`, run with Node's own runner.
//!
//! npm comes with any Node; the tests run on the Node that the lock file pins, because wrangler wants a
//! newer one than many machines have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nearkv_test_assets::{CLIENTS, install_clients};

use crate::error::{HarnessError, Result};
use crate::process::Program;

/// For all tests against one server: several times what they take on a busy 2-core machine.
const RUN_LIMIT: Duration = Duration::from_secs(900);

/// For one of them, in milliseconds: the slowest runs wrangler twenty times, two seconds each when the machine is busy.
const TEST_LIMIT: &str = "--test-timeout=240000";

/// What the tests run against, as environment variables of theirs.
pub type Environment<'a> = &'a [(&'a str, &'a str)];

/// Runs the tests that match `patterns` (globs inside of `tests/conformance`), and gives what they printed.
///
/// # Errors
/// With everything that was printed when one fails, or when there is none.
pub async fn run_tests(name: &str, patterns: &[&str], environment: Environment<'_>) -> Result<String> {
    tokio::task::block_in_place(install_clients)?;
    let mut program = Program::new(name, node()).args([
        "--test",
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        TEST_LIMIT,
    ]);
    for (variable, value) in environment {
        program = program.env(*variable, *value);
    }
    let patterns = patterns.iter().map(|pattern| format!("{CLIENTS}/{pattern}"));
    let mut process = program.args(patterns).start()?;
    let ended = process.wait_for_end(RUN_LIMIT).await?;
    let printed = process.log();
    let Some(status) = ended else {
        return Err(HarnessError::Unexpected(format!("not done within {RUN_LIMIT:?}:\n{printed}")));
    };
    match (status.success(), passed(&printed)) {
        (true, Some(1..)) => Ok(printed),
        (true, _) => Err(HarnessError::Unexpected(format!("no test was run:\n{printed}"))),
        (false, _) => Err(HarnessError::Unexpected(format!("tests of real clients failed:\n{printed}"))),
    }
}

/// How many tests passed, by the summary of Node's runner.
fn passed(printed: &str) -> Option<u32> {
    printed.lines().find_map(|line| line.strip_prefix("ℹ pass ")?.trim().parse().ok())
}

/// The pinned Node where there is one for this machine, else the machine's own.
fn node() -> PathBuf {
    let pinned = ["x64", "arm64"]
        .map(|processor| Path::new(CLIENTS).join(format!("node_modules/node-linux-{processor}/bin/node")));
    pinned.into_iter().find(|node| node.is_file()).unwrap_or_else(|| PathBuf::from("node"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_how_many_tests_passed() {
        assert_eq!(passed("✔ a\nℹ tests 4\nℹ pass 3\nℹ fail 1\n"), Some(3));
        assert_eq!(passed("ended early"), None);
    }
}
