//! The caller of a request. The server sets it where a request enters the process, and it belongs to the task that
//! serves the request. The guard decides about it, and a client of an upstream sends a write with its token.
//!
//! Code that spawns a task for a request must pass the caller on ([`Caller::scope`]). Where it does not, the caller is
//! the process itself, which every guard refuses.

use http::{HeaderMap, header};
use tokio::task::futures::TaskLocalFuture;

use super::BearerToken;

tokio::task_local! {
    static CALLER: Caller;
}

/// The sender of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// This process itself: a refresh, the lookup of an id.
    #[default]
    Internal,
    /// A client without a token.
    Anonymous,
    /// A client whose `Authorization` is malformed.
    Malformed,
    /// The bearer of a token.
    Bearer(BearerToken),
}

impl Caller {
    /// Takes the caller from a request's headers and removes the token there, so that no later code can leak it.
    #[must_use]
    pub fn take(headers: &mut HeaderMap) -> Self {
        let caller = match BearerToken::of(headers) {
            Ok(None) => return Self::Anonymous,
            Ok(Some(token)) => Self::Bearer(token),
            Err(_) => Self::Malformed,
        };
        headers.remove(header::AUTHORIZATION);
        caller
    }

    /// The caller of the current task.
    #[must_use]
    pub fn current() -> Self {
        CALLER.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs a future on this caller's behalf.
    pub fn scope<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CALLER.scope(self, future)
    }
}
