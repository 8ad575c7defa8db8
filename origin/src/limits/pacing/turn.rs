//! [`Turn`]: one write's place in the order of those that wait for the pace, until it has been sent or is given up.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::limits::pacing::{Lane, Pace, turns::Ticket};

/// How far a turn has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Progress {
    Waiting(Ticket),
    /// It has come, and its bytes are taken.
    Taken,
    /// They were sent.
    Spent,
}

/// A place in the order of writes. One that is given up gives back what it has taken.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(super) pace: &'a Pace,
    pub(super) lane: Lane,
    pub(super) who: Arc<str>,
    pub(super) bytes: u64,
    pub(super) wake: Arc<Notify>,
    pub(super) progress: Progress,
    /// Bytes that went with it.
    pub(super) sent: u64,
    /// Since when it is waited for.
    pub(super) waiting: Option<Instant>,
}

impl Turn<'_> {
    /// Waits until it has come. May be dropped and called again without a loss.
    pub(crate) async fn come(&mut self) {
        while let Some(wait) = self.try_come() {
            self.waiting.get_or_insert_with(Instant::now);
            match wait {
                // It goes next: it keeps the time.
                Some(wait) => drop(timeout(wait, self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
        if let Some(since) = self.waiting.take() {
            self.pace.waits[self.lane as usize].observe(since.elapsed());
        }
    }

    /// `None` once it has come; else for how long to wait, where it goes next.
    fn try_come(&mut self) -> Option<Option<Duration>> {
        let Progress::Waiting(ticket) = self.progress else { return None };
        let mut state = self.pace.state.as_ref()?.lock();
        if state.turns.next() != Some((self.lane, ticket)) {
            return Some(None);
        }
        let wait = state.bucket.wait(Instant::now());
        if !wait.is_zero() {
            return Some(Some(wait));
        }
        state.turns.go(self.lane, ticket);
        state.bucket.take(self.bytes);
        state.turns.wake_next();
        self.progress = Progress::Taken;
        None
    }

    /// How long it still has to wait, if nobody ahead gives up.
    pub(crate) fn delay(&self) -> Duration {
        let (Progress::Waiting(ticket), Some(state)) = (self.progress, &self.pace.state) else {
            return Duration::ZERO;
        };
        let mut state = state.lock();
        let ahead = state.turns.ahead(self.lane, Some(ticket));
        state.bucket.wait_for(ahead, Instant::now())
    }

    /// Bytes that went with it so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether it may still be used.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self.progress, Progress::Spent)
    }

    /// So much is sent with it, beside what [`Turn::spend`] will be told: few objects, which need not wait for turns of their
    /// own.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.sent += bytes;
        if let Some(state) = &self.pace.state {
            let mut state = state.lock();
            state.bucket.take(bytes);
            state.turns.add(self.lane, &self.who, bytes);
        }
    }

    /// So much is about to be sent, however much was reckoned before.
    pub(crate) fn spend(&mut self, bytes: u64) {
        self.sent += bytes;
        if let (Progress::Taken, Some(state)) = (self.progress, &self.pace.state) {
            let mut state = state.lock();
            state.bucket.put_back(self.bytes);
            state.bucket.take(bytes);
            state.turns.add(self.lane, &self.who, bytes.saturating_sub(self.bytes));
        }
        self.progress = Progress::Spent;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(state) = &self.pace.state else { return };
        match self.progress {
            Progress::Waiting(ticket) => state.lock().turns.leave(self.lane, ticket),
            Progress::Taken => state.lock().bucket.put_back(self.bytes),
            Progress::Spent => return,
        }
        state.lock().turns.wake_next();
    }
}
