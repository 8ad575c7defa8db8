//! What can go wrong in the harness itself, as opposed to the assertion of a test.
//!
//! Every variant says what was being done to what; a process that failed brings the end of its log
//! along, since on a CI machine nobody can look at the file afterwards.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// The result of everything in the harness.
pub type Result<T> = std::result::Result<T, HarnessError>;

/// A failure of the harness: the machine lacks something, or a process did not do what it was started for.
#[derive(thiserror::Error)]
pub enum HarnessError {
    /// The file system or the process table refused something.
    #[error("failed to {action} {object}")]
    Io {
        /// What was tried, in the infinitive: `create the folder`.
        action: &'static str,
        /// On what it was tried.
        object: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something has to be installed or set first; the text says what.
    #[error("{0}")]
    Missing(String),
    /// An answer that makes no sense here; the text says which.
    #[error("{0}")]
    Unexpected(String),
    /// Something that the tests start could not be built, installed or found.
    #[error(transparent)]
    Assets(#[from] nearkv_test_assets::AssetError),
    /// A condition that did not come true in time.
    #[error("not within {limit:?}: {awaited}; last seen: {seen}")]
    NotSeen {
        /// What was waited for.
        awaited: String,
        /// How long.
        limit: Duration,
        /// What there was instead.
        seen: String,
    },
    /// A command that was waited for ended with a failure.
    #[error("`{command}` ended with {status}: {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// A process ended while something was still expected of it.
    #[error("{name} ended with {status} while waiting for {awaited}; its log {} ends with:\n{tail}", log.display())]
    Ended {
        /// The name it was started under.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// What was waited for.
        awaited: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// A process did not do in time what was expected of it.
    #[error("{name}: no {awaited} within {limit:?}; its log {} ends with:\n{tail}", log.display())]
    TimedOut {
        /// The name it was started under.
        name: String,
        /// What was waited for.
        awaited: String,
        /// How long.
        limit: Duration,
        /// Its log file.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The Kubernetes API answered with an error.
    #[error("failed to {action}")]
    Kubernetes {
        /// What was asked of it, in the infinitive.
        action: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A kubeconfig could not be read.
    #[error("failed to read the kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// An HTTP request got no answer.
    #[error("failed to {action}")]
    Http {
        /// What was asked, in the infinitive.
        action: String,
        /// Why there was no answer.
        source: reqwest::Error,
    },
}

impl HarnessError {
    /// An [`HarnessError::Io`] about the file or folder `path`, for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> HarnessError {
        let object = path.display().to_string();
        move |source| HarnessError::Io { action, object, source }
    }
}

/// `unwrap` in a test prints `Debug`: the whole chain of causes, readable, is what helps there.
impl fmt::Debug for HarnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
