//! When the next commit starts: a moment after the last one, so that the clients just answered are in it, and a
//! little later if another replica wants its turn.

use std::time::Duration;

use nearkv::Random;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{
    commit::queue::Queue,
    settings::{BUSY, FAIR_GAP, FAIR_GAP_MOST, GATHER_MOST, GATHER_SHARE},
};

/// What the last commit teaches the next one.
#[derive(Debug, Default)]
pub(crate) struct Gatherer {
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    ended: Instant,
    took: Duration,
    writers: usize,
}

impl Gatherer {
    /// Called when the first write has come: waits until all are there who wrote when the last commit ended, and at least for
    /// as long as the pace wants a commit to gather.
    pub(crate) async fn gather(&self, queue: &Queue, least: Duration) {
        let arrived = Instant::now();
        self.gather_writers(queue).await;
        if !least.is_zero() && !queue.fills_a_commit() {
            sleep_until(arrived + least).await;
        }
    }

    /// Waits for a fraction of the time that the last commit took. Nobody waits who writes alone, or comes when there was a
    /// pause as long as that commit: the others have stopped.
    async fn gather_writers(&self, queue: &Queue) {
        let Some(Last { ended, took, writers }) = &self.last else { return };
        if ended.elapsed() >= *took {
            return;
        }
        let until = Instant::now() + (*took / GATHER_SHARE).min(GATHER_MOST);
        while queue.len() < *writers && !queue.fills_a_commit() {
            if timeout_at(until, queue.arrival()).await.is_err() {
                return;
            }
        }
    }

    /// Whether this commit follows closely upon another, so that a third is to be expected.
    pub(crate) fn is_busy(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.ended.elapsed() < BUSY)
    }

    /// A commit has ended. The `writers` are those that it answered, and those that waited by then: with the former
    /// alone, who had missed one commit would miss every one, since the next would not wait for them either.
    pub(crate) fn committed(&mut self, took: Duration, writers: usize) {
        self.last = Some(Last { ended: Instant::now(), took, writers });
    }

    /// Lets another replica, which has lost a swap or is about to, read the root and swap it.
    pub(crate) async fn leave_a_gap(&self, random: &Random) {
        let took = self.last.as_ref().map_or(FAIR_GAP, |last| last.took);
        let gap = took.clamp(FAIR_GAP, FAIR_GAP_MOST);
        sleep(gap / 2 + random.jitter(gap)).await;
    }
}
