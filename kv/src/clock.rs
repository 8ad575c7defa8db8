//! Time, passed in: the wall clock, and a steady one that counts the time a machine was suspended, which
//! `tokio::time::Instant` (timers, pauses) does not on Linux. [`VirtualClock`] is the clock of a paused runtime.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The time from `earlier` to this moment; zero if this moment is the earlier one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment and `duration` more.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock time now. It may be wrong, and it may be set.
    fn now(&self) -> UnixMillis;

    /// The time since some fixed moment. It is never set and never goes back. On Linux it counts the time for which the
    /// machine was suspended (`CLOCK_BOOTTIME`, clock_gettime(2)).
    fn steady(&self) -> Duration;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[cfg(target_os = "linux")]
    fn steady(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }

    #[cfg(not(target_os = "linux"))]
    fn steady(&self) -> Duration {
        static START: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        START.elapsed()
    }
}

/// A wall clock that follows tokio's (paused) time from a fixed start, with an error that a test may change.
#[derive(Debug)]
pub struct VirtualClock {
    start: Instant,
    base: UnixMillis,
    skew_ms: AtomicI64,
}

impl VirtualClock {
    /// Shows `base` at the moment of the call.
    #[must_use]
    pub fn starting_at(base: UnixMillis) -> Self {
        Self { start: Instant::now(), base, skew_ms: AtomicI64::new(0) }
    }

    /// Sets how far this clock is ahead (behind, if negative), in milliseconds.
    pub fn set_skew_ms(&self, skew: i64) {
        self.skew_ms.store(skew, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        let true_time = self.base.plus(self.start.elapsed());
        UnixMillis(true_time.0.saturating_add_signed(self.skew_ms.load(Ordering::Relaxed)))
    }

    fn steady(&self) -> Duration {
        self.start.elapsed()
    }
}
