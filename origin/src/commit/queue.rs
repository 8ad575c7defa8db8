//! The writes that wait for the next commit: bounded, in order of arrival.

use std::collections::VecDeque;

use nearkv::Error;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

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
    /// With their numbers, which grow.
    requests: VecDeque<(u64, Request)>,
    numbers: u64,
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

    /// Appends an ask, and answers its number. A single one is taken however large it is, if nothing else waits.
    pub(crate) fn push(&self, request: Request) -> Result<u64, NotTaken> {
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
        state.numbers += 1;
        let number = state.numbers;
        state.requests.push_back((number, request));
        drop(state);
        self.arrived.notify_one();
        Ok(number)
    }

    /// Takes an ask back; `false` if it is in a commit already.
    pub(crate) fn withdraw(&self, number: u64) -> bool {
        let mut state = self.state.lock();
        let Ok(at) = state.requests.binary_search_by_key(&number, |(number, _)| *number) else {
            return false;
        };
        let withdrawn = state.requests.remove(at);
        state.bytes -= withdrawn.map_or(0, |(_, request)| request.weight());
        true
    }

    /// Answers those whose deadline is before `moment`, and lets go of them.
    pub(crate) fn refuse_until(&self, moment: Instant, error: &Error) {
        let mut state = self.state.lock();
        let mut refused = 0;
        state.requests.retain_mut(|(_, request)| {
            let stays = request.deadline >= moment;
            if !stays {
                refused += request.weight();
                request.answer(Err(error.clone()));
            }
            stays
        });
        state.bytes -= refused;
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
        while let Some((_, request)) = state.requests.front() {
            let weight = request.weight();
            if !batch.is_empty() && (batch.len() >= BATCH_WRITES || bytes + weight > BATCH_BYTES) {
                break;
            }
            bytes += weight;
            batch.extend(state.requests.pop_front().map(|(_, request)| request));
        }
        state.bytes -= bytes;
        batch
    }

    /// Takes everything, and refuses what comes after it. The first refusal stays.
    pub(crate) fn close(&self, refusal: &Error) -> Vec<Request> {
        let mut state = self.state.lock();
        state.closed.get_or_insert_with(|| refusal.clone());
        state.bytes = 0;
        state.requests.drain(..).map(|(_, request)| request).collect()
    }
}
