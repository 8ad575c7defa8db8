//! What can go wrong while something is built or installed.

use std::path::Path;
use std::process::ExitStatus;

/// The result of everything here.
pub type Result<T> = std::result::Result<T, AssetError>;

/// A failure to build, install or find something.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
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
    /// A command ended with a failure.
    #[error("`{command}` ended with {status}: {output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
}

impl AssetError {
    /// An [`AssetError::Io`] about the file or folder `path`, for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AssetError {
        let object = path.display().to_string();
        move |source| AssetError::Io { action, object, source }
    }
}
