//! Why a command did not succeed: what failed, on which object, and what to do about it; and the exit code of it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;

use nearkv::Reason;

use crate::exit::Exit;

/// A failure as the person in front of the terminal reads it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What failed, on which object, and why.
    pub message: String,
    /// What to do, where there is something.
    pub advice: Option<String>,
    /// What a closed pipe leaves: nothing is said.
    pub silent: bool,
}

impl Failure {
    /// A failure with any text.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), advice: None, silent: false }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_advice(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// The command line asks for something that there cannot be.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The server's refusal or failure, when `action` was tried: `get key "x" of default/settings`.
    #[must_use]
    pub fn server(action: &str, error: &nearkv::Error) -> Self {
        let mut message = format!("failed to {action}: {error}");
        if let Some(cause) = innermost(error) {
            message.push_str(&format!(" ({cause})"));
        }
        let failure = Self::new(Exit::of(error.reason()), message);
        match advice(error) {
            Some(advice) => failure.with_advice(advice),
            None => failure,
        }
    }

    /// A question to a cluster, when the program was built without the feature `cluster`; what to do `instead` of building it.
    #[must_use]
    pub fn needs_cluster_feature(instead: &str) -> Self {
        Self::new(Exit::Unreachable, "this kubectl-kv was built without access to clusters").with_advice(
            format!("{instead}; or build all of it: cargo install --locked --path cli --features cluster"),
        )
    }

    /// A file that cannot be used, when `action` (`read`, `write`) was tried.
    #[must_use]
    pub fn file(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(Exit::Failure, format!("failed to {action} {}: {error}", path.display()))
    }

    /// Standard output that cannot be written. A reader that has gone away (`| head`) is nobody's fault.
    #[must_use]
    pub fn output(error: &io::Error) -> Self {
        let failure = Self::new(Exit::Failure, format!("failed to write to standard output: {error}"));
        Self { silent: error.kind() == io::ErrorKind::BrokenPipe, ..failure }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

impl StdError for Failure {}

/// The end of the chain of causes: what the operating system or the TLS said.
fn innermost(error: &nearkv::Error) -> Option<String> {
    let mut cause = error.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

/// What a person can do about a reason.
fn advice(error: &nearkv::Error) -> Option<String> {
    let text = match error.reason() {
        Reason::NamespaceMissing => "`kubectl kv namespace list` shows those there are; -n names the account",
        Reason::PreconditionFailed => "`kubectl kv get NAME KEY --details` shows the version it has now",
        Reason::OutcomeUnknown => "read the key before you write it again: the write may have been done",
        Reason::NamespaceDamaged => {
            "`kubectl describe kvns NAME` says why; `kubectl kv repair NAME` is the way back"
        }
        Reason::Unauthenticated => {
            "show a token with --token or NEARKV_TOKEN: `kubectl create token NAME --audience nearkv` makes one, and a binding's Secret holds one"
        }
        Reason::Forbidden => {
            "the token's ServiceAccount needs the verb on kvnamespaces/values, as in ClusterRole nearkv-viewer or nearkv-editor"
        }
        Reason::QuotaExceeded => "raise spec.quota of the KvNamespace, or delete keys",
        Reason::RouteMissing => "is this the address of a nearkv server, of this version or newer?",
        Reason::Unavailable => "is a server running there? `kubectl kv dev` starts one on this machine",
        Reason::NamespaceLoading | Reason::Throttled => {
            let after = error.retry_after().map_or(1, |after| after.as_secs().max(1));
            return Some(format!("try again in {after} s"));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_on_which_object_and_what_to_do() {
        let error = nearkv::Error::new(Reason::Unavailable, "The upstream cannot be reached")
            .with_source(io::Error::other("connection refused"));
        let failure = Failure::server("get key \"x\" of default/settings", &error);
        assert_eq!(failure.exit, Exit::Unreachable);
        assert_eq!(
            failure.to_string(),
            "failed to get key \"x\" of default/settings: The upstream cannot be reached (connection refused)\n  \
             is a server running there? `kubectl kv dev` starts one on this machine"
        );
    }

    #[test]
    fn a_command_without_a_server_says_how_to_build_the_plugin_that_finds_one() {
        let refused = Failure::needs_cluster_feature("name a server with --server URL");
        assert_eq!(refused.exit, Exit::Unreachable);
        let advice = refused.advice.unwrap_or_default();
        assert!(advice.contains("--server") && advice.contains("--features cluster"), "{advice}");
    }

    #[test]
    fn a_closed_pipe_is_not_told() {
        assert!(Failure::output(&io::ErrorKind::BrokenPipe.into()).silent);
        assert!(!Failure::output(&io::ErrorKind::StorageFull.into()).silent);
    }
}
