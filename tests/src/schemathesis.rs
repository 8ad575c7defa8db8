//! schemathesis, which asks a server everything that its OpenAPI document allows and forbids, and judges the answers by
//! that document. Installed once, in pinned versions, into a virtual environment of Python's in cargo's target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{HarnessError, Result};
use crate::folders::{Build, new_folder};
use crate::lock::{lock, say};
use crate::process::Program;

/// What is pinned, and how the server is asked.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis");

/// The copy of the pinned versions that says which are installed.
const INSTALLED: &str = "installed-requirements.txt";

/// Pythons to look for, the first that will do is taken.
const PYTHONS: [&str; 2] = ["python3.11", "python3"];

/// Fails where Python is older than schemathesis wants it, or cannot make virtual environments.
const WILL_DO: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// What a run needs besides its time budget: its start, and the failure it shrinks at the end.
const GRACE: Duration = Duration::from_secs(120);

/// Fewest requests of a run that is one: a 2-core machine makes 1,600 to 4,500 of them in a minute, busy or not.
const LEAST: u32 = 500;

/// How a server is asked.
#[derive(Debug)]
pub struct Fuzzing<'a> {
    /// Where it serves its OpenAPI document; all other requests go below the server that the document names.
    pub document: &'a str,
    /// Decides what is asked.
    pub seed: u64,
    /// How long it is asked.
    pub time: Duration,
}

/// Runs it, and gives what it printed.
///
/// # Errors
/// With everything that it printed, when an answer is not as the document says, or hardly anything was asked.
pub async fn fuzz(name: &str, fuzzing: &Fuzzing<'_>) -> Result<String> {
    let executable = tokio::task::block_in_place(install)?;
    // It and Hypothesis keep caches where they are started.
    let folder = new_folder(name)?;
    let mut process = Program::new(name, executable)
        .current_folder(folder)
        .arg(format!("--config-file={FOLDER}/schemathesis.toml"))
        .args(["--no-color", "run", fuzzing.document])
        .arg(format!("--seed={}", fuzzing.seed))
        .arg(format!("--max-time={}", fuzzing.time.as_secs()))
        .start()?;
    let limit = fuzzing.time + GRACE;
    let status = process.wait_for_end(limit).await?;
    let printed = process.log();
    match status {
        Some(status) if status.success() && asked(&printed).is_some_and(|cases| cases >= LEAST) => {
            Ok(printed)
        }
        Some(status) => {
            Err(HarnessError::Unexpected(format!("schemathesis ended with {status}:\n{printed}")))
        }
        None => Err(HarnessError::Unexpected(format!("schemathesis not done within {limit:?}:\n{printed}"))),
    }
}

/// How many requests were made, by the summary.
fn asked(printed: &str) -> Option<u32> {
    let (before, _) = printed.rsplit_once(" generated, ")?;
    before.rsplit(char::is_whitespace).next()?.parse().ok()
}

/// The executable; installed first, where what is pinned is not there.
fn install() -> Result<PathBuf> {
    let pinned = Path::new(FOLDER).join("requirements.txt");
    let wanted = std::fs::read(&pinned).map_err(HarnessError::io("read", &pinned))?;
    let target = Build::of_this_process()?.target;
    let environment = target.join("schemathesis");
    let installed = environment.join(INSTALLED);
    let executable = environment.join("bin/schemathesis");
    let _guard = lock(&target.join("schemathesis.lock"), "it installs schemathesis", say)?;
    if std::fs::read(&installed).is_ok_and(|there| there == wanted) {
        return Ok(executable);
    }
    say("installing schemathesis (pip install), once: about half a minute");
    let started = Instant::now();
    run(Command::new(python()?).args(["-m", "venv", "--clear"]).arg(&environment))?;
    let pip =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    run(Command::new(environment.join("bin/python")).args(pip).arg(&pinned))?;
    // Last, so that what was broken off is not taken for installed.
    std::fs::write(&installed, wanted).map_err(HarnessError::io("write", &installed))?;
    say(&format!("installed schemathesis in {} s", started.elapsed().as_secs()));
    Ok(executable)
}

fn python() -> Result<&'static str> {
    let will_do = |python: &&str| {
        let mut command = Command::new(python);
        command.args(["-c", WILL_DO]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    PYTHONS.into_iter().find(will_do).ok_or_else(|| {
        let text = "the test with schemathesis needs Python 3.10 or newer with its module venv: install python3-venv";
        HarnessError::Missing(text.to_owned())
    })
}

fn run(command: &mut Command) -> Result<()> {
    let described = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(|source| HarnessError::Io {
        action: "run",
        object: described.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr =
        format!("{}\n{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    Err(HarnessError::Command { command: described, status: output.status, stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_how_many_requests_were_made() {
        let printed = "Test cases:\n  3608 generated, 3608 passed\n\nSeed: 4\n";
        assert_eq!(asked(printed), Some(3608));
        assert_eq!(asked("Failed to load the schema"), None);
    }
}
