//! Refusals and failures: one reason each, with the status (`reason`) and the exact text of the contract (`texts`). The
//! reason is the same word in logs, metrics and the header `Nearkv-Reason`, from which a client makes the
//! same error again.

mod reason;
mod texts;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

pub use reason::Reason;

use crate::Version;

/// A refusal or failure as the client sees it: [`fmt::Display`] is the text of the body and of the reason phrase.
#[derive(Clone, Debug)]
pub struct Error {
    reason: Reason,
    message: String,
    retry_after: Option<Duration>,
    version: Option<Version>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with any text. The named constructors hold the contract's texts; this one is for what is ours.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after: None, version: None, source: None }
    }

    /// Adds when to try again; answered as `Retry-After` in whole seconds, rounded up.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }

    /// Adds the state at which the refusal was judged; answered as `Nearkv-Version`.
    #[must_use]
    pub fn with_version(self, version: Version) -> Self {
        Self { version: Some(version), ..self }
    }

    /// Adds the cause, for the log; the client does not see it.
    #[must_use]
    pub fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { source: Some(Arc::new(source)), ..self }
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// When to try again, if that makes sense.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The state at which the refusal was judged, if it was judged at one.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_word() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
    }
}
