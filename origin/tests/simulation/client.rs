//! The clients of a history: random operations on random replicas, each judged against the ledger the moment
//! it is answered (`judgement.rs`).

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use nearkv::{Answer, Error, Key, Random, Reason, Version};
use tokio::time::{Instant, sleep};

use crate::{cluster::Replica, excuse::Excuse, judgement::Start, plan::Plan, sim::Sim};

/// An operation that takes longer than this while its process runs hangs.
const HANGS: Duration = Duration::from_secs(300);
/// How long a client at most waits that was told to try again.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// Data are born within this, if the store can be reached at all.
const BIRTH: Duration = Duration::from_secs(60);
/// What a write to a KvNamespace that was unknown until then waits for its data before its deadline begins.
const LOAD: Duration = Duration::from_secs(2);

/// How a write ended for its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Acknowledged; with the entry's version.
    Done(Version),
    /// Refused: nothing was written.
    Refused(Reason),
    /// The client cannot know.
    Unknown,
}

/// A put as its client saw it.
pub(crate) struct Written {
    pub(crate) number: u64,
    pub(crate) key: Key,
    pub(crate) ending: Ending,
    /// The bulk that it was part of.
    pub(crate) bulk: Option<u64>,
}

/// One client: it lives through the whole history.
pub(crate) struct Client {
    pub(crate) sim: Arc<Sim>,
    pub(crate) random: Random,
    pub(crate) written: Vec<Written>,
    /// Versions it has seen, for conditions.
    pub(crate) seen: Vec<(Key, Version)>,
    /// The newest state of its own writes: what it may ask a read to show.
    pub(crate) newest: Option<Version>,
    /// The first of the keys that it writes and reads now: it goes through all of them.
    pub(crate) at: u64,
    /// Keys that it has put to delete them again soon.
    pub(crate) tokens: Vec<Key>,
    /// Whether it was told to try again.
    pub(crate) turned_away: bool,
    /// Its operations so far.
    pub(crate) operations: u64,
    /// Its writes so far, and those of them that were answered as nothing but the data demand.
    pub(crate) writes: u64,
    pub(crate) judged: u64,
}

impl Client {
    pub(crate) fn new(sim: Arc<Sim>, number: u64) -> Self {
        let random = Random::seeded(sim.plan.seed.wrapping_mul(31).wrapping_add(number));
        let at = random.below(sim.plan.keys);
        Self {
            sim,
            random,
            written: Vec::new(),
            seen: Vec::new(),
            newest: None,
            at,
            tokens: Vec::new(),
            turned_away: false,
            operations: 0,
            writes: 0,
            judged: 0,
        }
    }

    /// Lives through its operations.
    pub(crate) async fn live(mut self) -> Self {
        let Plan { operations, bulks, replicas, pause, .. } = self.sim.plan;
        self.until_born().await;
        for _ in 0..operations {
            sleep(self.random.jitter(pause)).await;
            if std::mem::take(&mut self.turned_away) {
                sleep(self.random.jitter(TRY_AGAIN)).await;
            }
            let slot = self.random.below(replicas as u64) as usize;
            let Some(replica) = self.sim.cluster.replica(slot) else { continue };
            self.at += 1;
            self.operations += 1;
            match self.random.below(100) {
                0..35 => self.put(&replica, self.key()).await,
                35..40 => {
                    let token = self.token();
                    self.tokens.push(token.clone());
                    self.put(&replica, token).await;
                }
                40..52 => self.delete(&replica).await,
                90.. => self.list(&replica).await,
                n if n < 52 + bulks => self.bulk(&replica).await,
                _ => self.get(&replica).await,
            }
        }
        self
    }

    /// Who begins before there are data tests nothing.
    async fn until_born(&self) {
        let born = Instant::now() + BIRTH;
        while self.sim.ledger.lock().current.is_none() && Instant::now() < born {
            sleep(self.random.jitter(TRY_AGAIN)).await;
        }
    }

    /// Counts a write by how it ended.
    pub(crate) fn count(&mut self, ending: &Ending) {
        self.writes += 1;
        self.turned_away = matches!(
            ending,
            Ending::Refused(Reason::NamespaceLoading | Reason::NamespaceDamaged | Reason::NamespaceMissing)
        );
        let judged = matches!(
            ending,
            Ending::Done(_)
                | Ending::Refused(Reason::PreconditionFailed | Reason::QuotaExceeded | Reason::KeyDeclared)
        );
        self.judged += u64::from(judged);
    }

    /// An answer to a write must come in time, if the process did not stand still.
    pub(crate) fn in_time(&self, replica: &Replica, start: &Start, more: Duration) {
        // The way of an answer that is there already.
        let most = LOAD + self.sim.plan.write_deadline + more + Duration::from_secs(1);
        let took = start.at.elapsed();
        if start.has_run(replica) && took > most {
            self.sim
                .blame(format!("{}: a write was answered after {took:?}, {most:?} at most", replica.name));
        }
    }

    /// The answer, unless the process crashes first. One that never comes is a fault of its own.
    pub(crate) async fn answer<T>(&self, replica: &Replica, call: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = replica.dead.cancelled() => {
                self.sim.excuse(Excuse::Crashed);
                None
            }
            answer = AssertUnwindSafe(call).catch_unwind() => {
                // The task of a request that panics as ordered answers nothing.
                answer.map_err(|_| self.sim.excuse(Excuse::Crashed)).ok()
            }
            () = hangs(replica) => {
                self.sim.blame(format!("{} hangs: no answer within {HANGS:?}", replica.name));
                None
            }
        }
    }
}

/// Ends when the process has run for long enough to answer anything.
async fn hangs(replica: &Replica) {
    const STEP: Duration = Duration::from_secs(10);
    let mut ran = Duration::ZERO;
    while ran < HANGS {
        sleep(STEP).await;
        ran += if replica.is_stopped() { Duration::ZERO } else { STEP };
    }
}

pub(crate) fn short<T>(answer: &Option<Result<Answer<T>, Error>>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Ok(answer)) => format!("done at {}", answer.state.version),
        Some(Err(error)) => format!("{} ({error})", error.reason().as_str()),
    }
}
