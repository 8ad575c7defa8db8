//! The writes that wait for the next commit: bounded, in order of arrival.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    ask::Ask,
    settings::{BATCH_BYTES, BATCH_WRITES, Settings},
};

/// A bounded queue with one consumer.
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Notify,
    most_writes: usize,
    most_bytes: usize,
}

#[derive(Default)]
struct State {
    asks: VecDeque<Ask>,
    bytes: usize,
    closed: bool,
}

/// Why an ask was not taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// Too much waits already.
    Full,
    /// There is no committer any more.
    Closed,
}

impl Queue {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Notify::new(),
            most_writes: settings.queue_writes,
            most_bytes: settings.queue_bytes,
        }
    }

    /// Appends an ask. A single one is taken however large it is, if nothing else waits.
    pub(super) fn push(&self, ask: Ask) -> Result<(), NotTaken> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        let weight = ask.weight();
        let full = state.asks.len() >= self.most_writes || state.bytes + weight > self.most_bytes;
        if full && !state.asks.is_empty() {
            return Err(NotTaken::Full);
        }
        state.bytes += weight;
        state.asks.push_back(ask);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// How many asks wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().asks.len()
    }

    /// Whether as much waits as one commit may hold.
    pub(super) fn fills_a_commit(&self) -> bool {
        let state = self.state.lock();
        state.asks.len() >= BATCH_WRITES || state.bytes >= BATCH_BYTES
    }

    /// Waits until something has arrived since the last call.
    pub(super) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Takes what one commit may hold, oldest first.
    pub(super) fn take(&self) -> Vec<Ask> {
        let mut state = self.state.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(ask) = state.asks.front() {
            let weight = ask.weight();
            if !batch.is_empty() && (batch.len() >= BATCH_WRITES || bytes + weight > BATCH_BYTES) {
                break;
            }
            bytes += weight;
            batch.extend(state.asks.pop_front());
        }
        state.bytes -= bytes;
        batch
    }

    /// Takes everything and nothing more after it.
    pub(super) fn close(&self) -> Vec<Ask> {
        let mut state = self.state.lock();
        state.closed = true;
        state.bytes = 0;
        state.asks.drain(..).collect()
    }
}
