//! schemathesis, which asks a server everything that its OpenAPI document allows and forbids, and judges the answers by
//! that document.

use std::time::Duration;

use nearkv_test_assets::SCHEMATHESIS;

use crate::error::{HarnessError, Result};
use crate::folders::new_folder;
use crate::process::Program;

/// How the server is asked.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis");

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
    let executable = tokio::task::block_in_place(|| SCHEMATHESIS.program())?;
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
