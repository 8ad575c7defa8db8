//! The answer of a read: a cached answer at the moment it is served.

use std::sync::Arc;

use nearkv::{Expiration, Page, Served, State};
use tokio::time::Instant;

use super::{Body, CachedEntry};

/// What a read returns.
pub(crate) struct Reading {
    pub(crate) cached: Arc<CachedEntry>,
    pub(crate) served: Served,
    pub(crate) at: Instant,
}

impl Reading {
    /// The state of the answer.
    pub(crate) fn state(&self) -> State {
        self.cached.state(self.at, self.served)
    }

    /// The page without the entries that have expired since it was fetched; an empty one if this is no list.
    pub(crate) fn unexpired_page(&self) -> Page {
        let Body::Page(page, _) = &self.cached.body else { return Page { keys: Vec::new(), cursor: None } };
        let now = self.cached.time(self.at);
        let has_expired = |expiration: Option<Expiration>| expiration.is_some_and(|at| at.has_passed(now));
        Page {
            keys: page.keys.iter().filter(|item| !has_expired(item.expiration)).cloned().collect(),
            cursor: page.cursor.clone(),
        }
    }
}
