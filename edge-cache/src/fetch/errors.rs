//! The errors of this edge where upstream does not answer, or not usefully. A client reads them.

use std::time::Duration;

use nearkv::{Error, Reason};

use crate::settings::{CIRCUIT_COOLDOWN, REFRESH_PAUSE};

/// The circuit is open: `text` says what was not done, `wait` is the time until a retry makes sense.
pub(crate) fn unreachable(text: &'static str, wait: Duration) -> Error {
    Error::new(Reason::Unavailable, text).with_retry_after(wait.max(CIRCUIT_COOLDOWN))
}

/// Upstream keeps answering with a version older than one it had acknowledged. This is a failure of upstream, not a
/// refusal of the reader.
pub(crate) fn behind() -> Error {
    Error::new(Reason::Unavailable, "The origin is behind what it acknowledged; try again")
        .with_retry_after(CIRCUIT_COOLDOWN)
}

/// Upstream did not answer this request.
pub(super) fn silence() -> Error {
    Error::new(Reason::Unavailable, "The origin does not answer; try again")
        .with_retry_after(CIRCUIT_COOLDOWN)
}

/// Upstream refused this edge's own token. A token that is not valid may become so in a moment; one without permission
/// is an answer, and not an outage.
pub(super) fn refused(reason: Reason) -> Error {
    let reason = if reason == Reason::Unauthenticated { Reason::Unavailable } else { Reason::StoreRefused };
    Error::new(reason, "The origin refuses this edge's own token").with_retry_after(CIRCUIT_COOLDOWN)
}

/// The task of a fetch panicked or was dropped.
pub(super) fn broken_off() -> Error {
    Error::new(Reason::Internal, "The fetch from upstream broke off; try again")
}

/// This process ends.
pub(super) fn shutting_down() -> Error {
    Error::new(Reason::Unavailable, "This edge is shutting down; try again").with_retry_after(REFRESH_PAUSE)
}
