//! The writes that wait for the next commit: bounded, in order of arrival.

use std::collections::VecDeque;

use nearkv::Error;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    commit::request::Request,
    settings::{BATCH_BYTES, BATCH_WRITES, Settings},
};

/// A bounded queue with one consumer.
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Notify,
    most_writes: usize,
    most_bytes: usize,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    bytes: usize,
    /// What everybody is told who comes after the end.
    closed: Option<Error>,
}

/// Why an ask was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// Too much waits already.
    Full,
    /// There is no committer any more.
    Closed(Error),
}

impl Queue {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            state: Mutex::default(),
            arrived: Notify::new(),
            most_writes: settings.queue_writes,
            most_bytes: settings.queue_bytes,
        }
    }

    /// Appends an ask. A single one is taken however large it is, if nothing else waits.
    pub(crate) fn push(&self, request: Request) -> Result<(), NotTaken> {
        let mut state = self.state.lock();
        if let Some(refusal) = &state.closed {
            return Err(NotTaken::Closed(refusal.clone()));
        }
        let weight = request.weight();
        let full = state.requests.len() >= self.most_writes || state.bytes + weight > self.most_bytes;
        if full && !state.requests.is_empty() {
            return Err(NotTaken::Full);
        }
        state.bytes += weight;
        state.requests.push_back(request);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// How many asks wait.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().requests.len()
    }

    /// Whether as much waits as one commit may hold.
    pub(crate) fn fills_a_commit(&self) -> bool {
        let state = self.state.lock();
        state.requests.len() >= BATCH_WRITES || state.bytes >= BATCH_BYTES
    }

    /// Waits until something has arrived since the last call.
    pub(crate) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// Takes what one commit may hold, oldest first.
    pub(crate) fn take(&self) -> Vec<Request> {
        let mut state = self.state.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(request) = state.requests.front() {
            let weight = request.weight();
            if !batch.is_empty() && (batch.len() >= BATCH_WRITES || bytes + weight > BATCH_BYTES) {
                break;
            }
            bytes += weight;
            batch.extend(state.requests.pop_front());
        }
        state.bytes -= bytes;
        batch
    }

    /// Takes everything, and refuses what comes after it. The first refusal stays.
    pub(crate) fn close(&self, refusal: &Error) -> Vec<Request> {
        let mut state = self.state.lock();
        state.closed.get_or_insert_with(|| refusal.clone());
        state.bytes = 0;
        state.requests.drain(..).collect()
    }
}
