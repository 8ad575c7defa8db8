//! Node, and the real clients of Workers KV with it: installs what `tests/conformance` pins, once, and
//! runs its tests with Node's own runner.
//!
//! npm comes with any Node; the tests run on the Node that the lock file pins, because wrangler wants a
//! newer one than many machines have. Nothing that is installed runs a script while it is installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{HarnessError, Result};
use crate::folders::Build;
use crate::lock::{lock, say};
use crate::process::Program;

/// The package with the tests, its versions pinned.
pub const CONFORMANCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance");

/// Where the clients are inside it, and the copy of the lock file that says which ones are there.
const MODULES: &str = "node_modules";
const INSTALLED: &str = "node_modules/.installed-lock.json";

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
    tokio::task::block_in_place(install)?;
    let mut program = Program::new(name, node()).args([
        "--test",
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        TEST_LIMIT,
    ]);
    for (variable, value) in environment {
        program = program.env(*variable, *value);
    }
    let patterns = patterns.iter().map(|pattern| format!("{CONFORMANCE}/{pattern}"));
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
    let pinned = ["x64", "arm64"].map(|processor| {
        Path::new(CONFORMANCE).join(MODULES).join(format!("node-linux-{processor}/bin/node"))
    });
    pinned.into_iter().find(|node| node.is_file()).unwrap_or_else(|| PathBuf::from("node"))
}

/// `npm ci`, unless what the lock file pins is there.
fn install() -> Result<()> {
    let lock_file = Path::new(CONFORMANCE).join("package-lock.json");
    let wanted = std::fs::read(&lock_file).map_err(HarnessError::io("read", &lock_file))?;
    let installed = Path::new(CONFORMANCE).join(INSTALLED);
    let is_there = || std::fs::read(&installed).is_ok_and(|there| there == wanted);
    let guard = Build::of_this_process()?.target.join("conformance.lock");
    let _guard = lock(&guard, "it installs the clients of Workers KV", say)?;
    if is_there() {
        return Ok(());
    }
    say("installing the clients of Workers KV (npm ci), once: about half a minute");
    let started = Instant::now();
    let output = Command::new("npm")
        .args(["ci", "--no-progress", "--loglevel=error"])
        .current_dir(CONFORMANCE)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            HarnessError::Missing(format!(
                "the tests of real clients need Node and its npm: install Node 20 or newer ({error})"
            ))
        })?;
    if !output.status.success() {
        return Err(HarnessError::Command {
            command: format!("npm ci (in {CONFORMANCE})"),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    std::fs::write(&installed, wanted).map_err(HarnessError::io("write", &installed))?;
    say(&format!("installed the clients of Workers KV in {} s", started.elapsed().as_secs()));
    Ok(())
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
