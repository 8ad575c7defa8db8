//! kubectl against the cluster of a test: what a user does, done as the user does it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::{HarnessError, Result};

/// kubectl with the access of one kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubectl {
    executable: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    /// `folder` takes its discovery cache: in the home folder it is named after host and port, and
    /// would show one test the kinds of another one's API server.
    pub(crate) fn new(executable: PathBuf, kubeconfig: &Path, folder: &Path) -> Kubectl {
        Kubectl { executable, kubeconfig: kubeconfig.to_path_buf(), cache: folder.join("kubectl") }
    }

    /// The program.
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// Runs `kubectl ARGUMENTS` and returns what it printed.
    ///
    /// # Errors
    /// [`HarnessError::Command`] with its standard error when it ends with a failure.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with_input(arguments, "").await
    }

    /// `kubectl apply -n NAMESPACE -f -` of `manifest`.
    ///
    /// # Errors
    /// As [`Kubectl::run`]: the text holds what the API server refused and why.
    pub async fn apply(&self, namespace: &str, manifest: &str) -> Result<String> {
        self.run_with_input(&["apply", "-n", namespace, "-f", "-"], manifest).await
    }

    async fn run_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let failed = |source| HarnessError::Io { action: "run", object: self.line(arguments), source };
        let mut child = Command::new(&self.executable)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--cache-dir")
            .arg(&self.cache)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        // A manifest fits the pipe's buffer many times over; a kubectl that reads none closes it.
        if let Some(mut pipe) = child.stdin.take()
            && !input.is_empty()
        {
            pipe.write_all(input.as_bytes()).await.map_err(failed)?;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(HarnessError::Command {
            command: self.line(arguments),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn line(&self, arguments: &[&str]) -> String {
        format!("kubectl {}", arguments.join(" "))
    }
}
