//! The token bucket of a pace: bytes that come in steadily and are taken in lumps. Pure; the caller says what time it is.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::pacing::PacingSettings;

/// This process's share of what all operators of an installation may send.
#[derive(Debug)]
pub(super) struct Bucket {
    settings: PacingSettings,
    /// Among how many processes rate and burst are divided.
    processes: usize,
    /// Below zero after a write that was larger than what was there: the next one waits for it.
    level: f64,
    filled: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(settings: PacingSettings, now: Instant) -> Self {
        Self { settings, processes: 1, level: settings.bytes_burst as f64, filled: now }
    }

    fn rate(&self) -> f64 {
        (self.settings.bytes_per_second.max(1) as f64) / self.processes as f64
    }

    fn burst(&self) -> f64 {
        (self.settings.bytes_burst.max(1) as f64) / self.processes as f64
    }

    fn fill(&mut self, now: Instant) {
        let added = now.saturating_duration_since(self.filled).as_secs_f64() * self.rate();
        self.level = (self.level + added).min(self.burst());
        self.filled = now;
    }

    /// How long until a write may go: it may as soon as there is anything, so that none is ever too large.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.wait_for(0, now)
    }

    /// The same after this many bytes more.
    pub(super) fn wait_for(&mut self, bytes: u64, now: Instant) -> Duration {
        self.fill(now);
        if self.level > bytes as f64 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((bytes as f64 + 1.0 - self.level) / self.rate())
    }

    pub(super) fn take(&mut self, bytes: u64) {
        self.level -= bytes as f64;
    }

    /// Puts back what was taken and not sent.
    pub(super) fn put_back(&mut self, bytes: u64) {
        self.level = (self.level + bytes as f64).min(self.burst());
    }

    /// Divides rate and burst among so many processes. What there is more than the new burst is gone; where the burst
    /// grows, it has to come in first.
    pub(super) fn divide(&mut self, processes: usize, now: Instant) {
        self.fill(now);
        self.processes = processes.max(1);
        self.level = self.level.min(self.burst());
    }

    /// Bytes that may be sent at once; below zero, what has to come in first.
    pub(super) fn level(&mut self, now: Instant) -> i64 {
        self.fill(now);
        self.level as i64
    }

    /// Lowers the level to nothing.
    pub(super) fn empty(&mut self, now: Instant) {
        self.fill(now);
        self.level = self.level.min(0.0);
    }

    /// Adds what others may not send any more, up to the burst, or what they owe.
    pub(super) fn take_over(&mut self, bytes: i64, now: Instant) {
        self.fill(now);
        self.level = (self.level + bytes as f64).min(self.burst());
    }

    pub(super) fn settings(&self) -> PacingSettings {
        self.settings
    }

    /// How full it is, from 0 to 1.
    pub(super) fn fullness(&mut self, now: Instant) -> f64 {
        self.fill(now);
        (self.level / self.burst()).clamp(0.0, 1.0)
    }
}
