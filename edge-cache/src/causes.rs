//! What an error says to a person, who reads one line.

use std::error::Error;

/// The error and what caused it, each behind a colon.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_causes(cause)),
        None => error.to_string(),
    }
}
