//! Waiting for what happens elsewhere: looked at again and again, with a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{HarnessError, Result};
use crate::process::POLL;

/// For an effect in the cluster: reconciled, collected, spread. Many times what it takes on an idle
/// machine; a test that waits this long has failed.
pub const EFFECT_LIMIT: Duration = Duration::from_secs(60);

/// Looks until `look` gives `Ok`, for [`EFFECT_LIMIT`] at most; what it gives as `Err` is what there
/// was instead, and is shown if that was the last.
///
/// # Errors
/// [`HarnessError::NotSeen`].
pub async fn eventually<T>(
    awaited: &str,
    mut look: impl AsyncFnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let deadline = Instant::now() + EFFECT_LIMIT;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() > deadline => {
                return Err(HarnessError::NotSeen { awaited: awaited.to_owned(), limit: EFFECT_LIMIT, seen });
            }
            Err(_) => sleep(POLL).await,
        }
    }
}
