//! Who a request comes from. It is set where a request enters the process and goes with the task that serves it: the
//! guard judges it, and a client of an upstream passes it on with a write.
//!
//! A task that is spawned on the way must take it along ([`Caller::scope`]). Where that is forgotten, the caller is
//! the process itself, whom no guard lets in.

use http::{HeaderMap, header};
use tokio::task::futures::TaskLocalFuture;

use super::BearerToken;

tokio::task_local! {
    static CALLER: Caller;
}

/// Who wants something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// This process, for reasons of its own: a refresh, the name behind an id.
    #[default]
    Own,
    /// Somebody who showed no token.
    Nobody,
    /// Somebody whose `Authorization` cannot be understood.
    Unclear,
    /// The bearer of a token.
    Bearer(BearerToken),
}

impl Caller {
    /// Takes the caller off a request's headers, so that nothing behind can show the token by accident.
    #[must_use]
    pub fn take(headers: &mut HeaderMap) -> Self {
        let caller = match BearerToken::of(headers) {
            Ok(None) => return Self::Nobody,
            Ok(Some(token)) => Self::Bearer(token),
            Err(_) => Self::Unclear,
        };
        headers.remove(header::AUTHORIZATION);
        caller
    }

    /// The caller that the present task serves.
    #[must_use]
    pub fn current() -> Self {
        CALLER.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs a future on this caller's behalf.
    pub fn scope<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CALLER.scope(self, future)
    }
}
