//! The one-line text of an error with its causes.

use std::error::Error;

/// The error and its causes, separated by colons.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}
