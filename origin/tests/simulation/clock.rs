//! The wall clock of a process: right, off by a skew, or stopped.

use std::{sync::Arc, time::Duration};

use nearkv::{Clock, UnixMillis, VirtualClock};
use parking_lot::Mutex;

/// A clock with an error that fate may change.
pub(crate) struct WrongClock {
    right: Arc<VirtualClock>,
    error: Mutex<Error>,
}

/// What is wrong with it.
#[derive(Clone, Copy, Default)]
enum Error {
    #[default]
    None,
    /// It is ahead (behind, if negative), in milliseconds.
    Skew(i64),
    /// It shows this moment.
    Stopped(UnixMillis),
}

impl WrongClock {
    pub(crate) fn new(right: Arc<VirtualClock>) -> Self {
        Self { right, error: Mutex::default() }
    }

    pub(crate) fn set_skew_ms(&self, skew: i64) {
        self.set(if skew == 0 { Error::None } else { Error::Skew(skew) });
    }

    pub(crate) fn stop(&self) {
        self.set(Error::Stopped(self.now()));
    }

    fn set(&self, error: Error) {
        *self.error.lock() = error;
    }
}

impl Clock for WrongClock {
    fn now(&self) -> UnixMillis {
        let right = self.right.now();
        match *self.error.lock() {
            Error::None => right,
            Error::Skew(skew) => UnixMillis(right.0.saturating_add_signed(skew)),
            Error::Stopped(at) => at,
        }
    }

    /// What is wrong with the wall clock is not wrong with this one.
    fn steady(&self) -> Duration {
        self.right.steady()
    }
}
