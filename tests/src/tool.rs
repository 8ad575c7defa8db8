//! A command of the test's own, run to its end: what it printed, or why it failed.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::error::{HarnessError, Result};

/// A program with an environment, that is run again and again.
#[derive(Debug, Clone)]
pub struct Tool {
    executable: PathBuf,
    environment: Vec<(String, String)>,
}

impl Tool {
    /// `executable`, in the environment of this process.
    pub fn new(executable: impl Into<PathBuf>) -> Tool {
        Tool { executable: executable.into(), environment: Vec::new() }
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Tool {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it with `arguments`, and gives what it printed.
    ///
    /// # Errors
    /// [`HarnessError::Command`] with all that it printed, when it ends with a failure.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        let command = format!("{} {}", self.executable.display(), arguments.join(" "));
        let output = Command::new(&self.executable)
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| HarnessError::Io { action: "run", object: command.clone(), source })?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(printed);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(HarnessError::Command { command, status: output.status, stderr: format!("{stderr}\n{printed}") })
    }
}
