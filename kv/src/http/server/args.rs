//! The flags that every program with a data listener has in common. What a flag means beyond that, each says itself.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use super::{Tls, TlsError};

/// Whether callers are asked who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Everybody may do everything.
    Off,
    /// A token is needed.
    On,
}

/// How the data listener is served, and how it ends.
#[derive(Clone, Debug, Args)]
pub struct DataListenerArgs {
    /// The certificate chain (PEM) of the data listener, which then speaks TLS and nothing else. Read again when it is
    /// replaced.
    #[arg(long, env = "NEARKV_TLS_CERT_FILE", value_name = "PATH", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, env = "NEARKV_TLS_KEY_FILE", value_name = "PATH", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
    /// How long a process that was told to end still serves, no longer ready, in seconds: until Services send nobody
    /// here any more.
    #[arg(long, env = "NEARKV_SHUTDOWN_DELAY", value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub shutdown_delay: Duration,
}

impl DataListenerArgs {
    /// TLS, where its files are given.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn tls(&self) -> Result<Option<Tls>, TlsError> {
        match (&self.tls_cert_file, &self.tls_key_file) {
            (Some(cert), Some(key)) => Tls::new(cert, key).map(Some),
            _ => Ok(None),
        }
    }
}

/// A flag's whole number of seconds.
///
/// # Errors
/// What is needed, in words.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "a whole number of seconds is needed".to_owned())
}
