//! Pacing: what this process may send to the store, so that etcd, which keeps every revision for minutes, is
//! never filled (design §6 invariant 9). One token bucket of bytes; when it is empty, writes wait in turn (`turns`), commits
//! grow, and share with maintenance.

mod bucket;
mod paced;
pub(crate) mod share;
mod turn;
mod turns;

use std::{sync::Arc, time::Duration};

use nearkv::metrics::Durations;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use self::{bucket::Bucket, turn::Progress, turns::Turns};
pub(crate) use self::{
    paced::{Paced, whose},
    turn::Turn,
};
use crate::format::CHUNK_BYTES;

/// What an object costs the store besides its content: name, labels, managed fields.
pub(crate) const ENVELOPE_BYTES: u64 = 1024;
/// How full the bucket is at least while commits gather no longer than they would anyway.
const GATHERS_BELOW: f64 = 0.5;
/// How long a commit gathers when the bucket is empty. Twenty commits a second rewrite a root of several KiB at a tenth of
/// the default rate.
const GATHER_EMPTY: Duration = Duration::from_millis(50);
/// From a token that is nearly there, to a bucket far below zero.
const WAIT_SECONDS: [f64; 8] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

/// How much all operators of an installation may send together. A bucket starts full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacingSettings {
    /// Bytes a second, in the long run.
    pub bytes_per_second: u64,
    /// Bytes that may be sent at once.
    pub bytes_burst: u64,
}

impl Default for PacingSettings {
    /// 128 MiB at once and 1 MiB/s are 728 MiB in etcd's ten minutes, a third of its default quota of 2 GiB.
    fn default() -> Self {
        Self { bytes_per_second: 1024 * 1024, bytes_burst: 128 * 1024 * 1024 }
    }
}

/// Who wants to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A commit, with clients waiting for it.
    Commit,
    /// A fold, a checkpoint, the collector.
    Maintenance,
}

impl Lane {
    pub(crate) const ALL: [Self; 2] = [Self::Commit, Self::Maintenance];

    fn other(self) -> Self {
        match self {
            Self::Commit => Self::Maintenance,
            Self::Maintenance => Self::Commit,
        }
    }

    /// The word of metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Maintenance => "maintenance",
        }
    }
}

/// What one process may send.
#[derive(Debug)]
pub struct Pace {
    /// `None`: no limit.
    state: Option<Mutex<State>>,
    waits: [Durations; Lane::ALL.len()],
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    turns: Turns,
}

impl Pace {
    /// With these limits; `None` for no limit.
    #[must_use]
    pub(crate) fn new(settings: Option<PacingSettings>) -> Arc<Self> {
        let state =
            |settings| State { bucket: Bucket::new(settings, Instant::now()), turns: Turns::default() };
        let waits = Lane::ALL.map(|_| Durations::new(&WAIT_SECONDS));
        Arc::new(Self { state: settings.map(state).map(Mutex::new), waits })
    }

    /// Divides rate and burst among so many operators of the installation. What is left of the old share is kept up to the
    /// new burst.
    pub(crate) fn set_share(&self, operators: usize) {
        let Some(state) = &self.state else { return };
        let mut state = state.lock();
        state.bucket.divide(operators, Instant::now());
        state.turns.wake_next();
    }

    /// Bytes that may be sent at once now; below zero, what has to come in before anything may. `None` without limits.
    #[must_use]
    pub(crate) fn level(&self) -> Option<i64> {
        Some(self.state.as_ref()?.lock().bucket.level(Instant::now()))
    }

    /// Nothing may be sent at once: what the other operators of the installation have left is not known yet.
    pub(crate) fn empty(&self) {
        if let Some(state) = &self.state {
            state.lock().bucket.empty(Instant::now());
        }
    }

    /// Takes over what others may not send any more, up to the burst; what they owe, if it is below zero.
    pub(crate) fn take_over(&self, bytes: i64) {
        let Some(state) = &self.state else { return };
        let mut state = state.lock();
        state.bucket.take_over(bytes, Instant::now());
        state.turns.wake_next();
    }

    /// The limits of the whole installation; `None` where there are none.
    pub(crate) fn limits(&self) -> Option<PacingSettings> {
        Some(self.state.as_ref()?.lock().bucket.settings())
    }

    /// Takes what is sent to the API server beside the data, a status or a canary, without waiting: it is little, and
    /// what follows waits for it.
    pub fn spend(&self, content_bytes: u64) {
        if let Some(state) = &self.state {
            state.lock().bucket.take(content_bytes + ENVELOPE_BYTES);
        }
    }

    /// A turn of `who`, to be waited for. While both lanes wait each gets half: what a commit writes has to be folded,
    /// written as pages and collected some time, which takes about as much, and under a load that takes all there is log and
    /// garbage would only grow if commits went first.
    pub(crate) fn turn(&self, lane: Lane, who: Arc<str>, bytes: u64) -> Turn<'_> {
        let wake = Arc::new(Notify::new());
        let progress = match &self.state {
            None => Progress::Taken,
            Some(state) => {
                let mut state = state.lock();
                let ticket = state.turns.push(lane, Arc::clone(&who), bytes, Arc::clone(&wake));
                state.turns.wake_next();
                Progress::Waiting(ticket)
            }
        };
        Turn { pace: self, lane, who, bytes, wake, progress, sent: 0, waiting: None }
    }

    /// How long writes of a lane have waited; those that went at once are not among them.
    pub(crate) fn waits(&self, lane: Lane) -> &Durations {
        &self.waits[lane as usize]
    }

    /// How long a commit would have to wait that came now: what clients are told to wait.
    #[must_use]
    pub(crate) fn delay(&self) -> Duration {
        self.delay_after(0)
    }

    /// How long until a value of `bytes` could have been sent in chunks, if nobody came after it.
    #[must_use]
    pub(crate) fn delay_of(&self, bytes: u64) -> Duration {
        self.delay_after(bytes + bytes.div_ceil(CHUNK_BYTES as u64) * ENVELOPE_BYTES)
    }

    fn delay_after(&self, bytes: u64) -> Duration {
        let Some(state) = &self.state else { return Duration::ZERO };
        let mut state = state.lock();
        let ahead = state.turns.ahead(Lane::Commit, None);
        state.bucket.wait_for(ahead + bytes, Instant::now())
    }

    /// How long a commit is to gather: the emptier the bucket, the fewer commits.
    #[must_use]
    pub(crate) fn gathering(&self) -> Duration {
        let Some(state) = &self.state else { return Duration::ZERO };
        let fullness = state.lock().bucket.fullness(Instant::now());
        GATHER_EMPTY.mul_f64((1.0 - fullness / GATHERS_BELOW).max(0.0))
    }
}

#[cfg(test)]
mod tests;
