//! What a leader remembers of a KvNamespace between two rounds, and how long it waits after a failed one.

use std::time::Duration;

use tokio::time::Instant;

use nearkv_controller::{Memory, api::KvNamespace};

/// First pause after a round that failed or did not settle, doubled with every further one.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Longest such pause.
const RETRY_PAUSE_MOST: Duration = Duration::from_secs(30);
/// Of an object that is not remembered yet: a pause of two seconds.
pub(super) const FAILURES_UNCOUNTED: u32 = 4;

pub(super) fn retry_pause(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    RETRY_PAUSE.saturating_mul(doubled).min(RETRY_PAUSE_MOST)
}

/// One KvNamespace, in the life that `uid` names.
#[derive(Clone)]
pub(super) struct Remembered {
    pub(super) uid: Option<String>,
    pub(super) memory: Memory,
    /// When everything was looked at last.
    pub(super) looked: Instant,
    /// When the status was written last.
    pub(super) written: Instant,
    /// Failed rounds since the last that settled.
    pub(super) failures: u32,
}

impl Remembered {
    pub(super) fn of(live: &KvNamespace) -> Self {
        let now = Instant::now();
        Self {
            uid: live.metadata.uid.clone(),
            memory: Memory::of(live.status.as_ref()),
            looked: now,
            written: now,
            failures: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses = [1, 2, 3, 8, 9, 1000].map(|failures| retry_pause(failures).as_millis());
        assert_eq!(pauses, [250, 500, 1000, 30_000, 30_000, 30_000]);
    }
}
