//! How old an object is that the root does not name yet: the collector's grace runs from its creation, and a
//! writer must not name what may be collected (invariant 6).

use std::time::Duration;

use nearkv::{Clock, UnixMillis};
use tokio::time::Instant;

/// The moment before an object's creation was asked for, on both clocks: the monotonic one may stand still while
/// a machine sleeps, and the wall clock may be set back. The older answer counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    steady: Instant,
    wall: UnixMillis,
}

impl Age {
    /// Starts now.
    pub(crate) fn start(clock: &dyn Clock) -> Self {
        Self { steady: Instant::now(), wall: clock.now() }
    }

    /// How long ago it started.
    pub(crate) fn elapsed(&self, clock: &dyn Clock) -> Duration {
        self.steady.elapsed().max(clock.now().since(self.wall))
    }

    /// The older of two.
    pub(crate) fn older(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.steady < self.steady => other,
            _ => self,
        }
    }
}
