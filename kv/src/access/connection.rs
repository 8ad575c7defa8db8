//! The last token of a connection. A client that sends the same token with every request has it validated and hashed
//! once. The token is dropped with the connection.
//!
//! This works for HTTP/1.1, whose requests are served one after the other in the connection's own task. HTTP/2 serves
//! each request in a task of its own, which validates its token anew.

use std::cell::RefCell;

use http::HeaderValue;
#[cfg(feature = "server")]
use tokio::task::futures::TaskLocalFuture;

use super::BearerToken;
use crate::Error;

tokio::task_local! {
    static LAST: RefCell<Option<BearerToken>>;
}

/// Runs a connection that remembers its last token.
#[cfg(feature = "server")]
pub(crate) fn remembering_token<F: Future>(
    connection: F,
) -> TaskLocalFuture<RefCell<Option<BearerToken>>, F> {
    LAST.scope(RefCell::default(), connection)
}

/// The token in `Authorization`: the last one of the connection, if it is the same.
pub(super) fn token(shown: &HeaderValue) -> Result<BearerToken, Error> {
    let remembered = LAST.try_with(|last| {
        let mut last = last.borrow_mut();
        if let Some(known) = last.as_ref().filter(|known| known.is_shown_by(shown)) {
            return Ok(known.clone());
        }
        let token = BearerToken::read(shown)?;
        *last = Some(token.clone());
        Ok(token)
    });
    remembered.unwrap_or_else(|_| BearerToken::read(shown))
}
