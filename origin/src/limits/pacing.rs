//! Pacing: what this process may send to the store, so that etcd, which keeps every revision for minutes, is
//! never filled (design §6 invariant 9). Two token buckets, bytes and writes; when one is empty, commits wait and
//! grow, and share with maintenance.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use nearkv::UnixMillis;
use nearkv::metrics::Durations;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::{
    format::CHUNK_BYTES,
    store::{
        Draft, Meta, Object, ObjectId, ObjectName, ObjectStore, Selector, StoreError, Token, WatchEvent,
    },
};

/// What an object costs the store besides its content: name, labels, managed fields.
const ENVELOPE_BYTES: u64 = 1024;
/// How soon a lane looks again that has had more than the other: far less than a token takes to come.
const TURN_LOOK: Duration = Duration::from_millis(1);
/// From a token that is nearly there, to a bucket far below zero.
const WAIT_SECONDS: [f64; 8] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

/// How much may be sent. A bucket starts full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacingSettings {
    /// Bytes a second, in the long run.
    pub bytes_per_second: u64,
    /// Bytes that may be sent at once.
    pub bytes_burst: u64,
    /// Writes a second, in the long run. Deletions count.
    pub writes_per_second: u64,
    /// Writes that may be sent at once.
    pub writes_burst: u64,
}

impl Default for PacingSettings {
    /// 128 MiB at once and 1 MiB/s are 728 MiB in etcd's ten minutes, a third of its default quota of 2 GiB; 1000
    /// writes at once and 100 a second leave an API server most of its time.
    fn default() -> Self {
        Self {
            bytes_per_second: 1024 * 1024,
            bytes_burst: 128 * 1024 * 1024,
            writes_per_second: 100,
            writes_burst: 1000,
        }
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

/// The buckets of one process.
#[derive(Debug)]
pub(crate) struct Pace {
    /// `None`: no limit.
    buckets: Option<Mutex<Buckets>>,
    /// How many writes of each lane have found a bucket empty and wait.
    waiting: [AtomicUsize; Lane::ALL.len()],
    waits: [Durations; Lane::ALL.len()],
}

#[derive(Debug)]
struct Buckets {
    settings: PacingSettings,
    bytes: Bucket,
    writes: Bucket,
    /// What each lane has taken since both wait, in seconds of the bucket that it emptied more.
    taken: [f64; Lane::ALL.len()],
}

#[derive(Debug)]
struct Bucket {
    /// Below zero after a write that was larger than what was there: the next one waits for it.
    level: f64,
    filled: Instant,
}

impl Bucket {
    fn fill(&mut self, per_second: u64, burst: u64, now: Instant) {
        let added = now.duration_since(self.filled).as_secs_f64() * per_second as f64;
        self.level = (self.level + added).min(burst as f64);
        self.filled = now;
    }

    /// How long until a write may go: it may as soon as there is anything, so that none is ever too large.
    fn wait(&self, per_second: u64) -> Duration {
        if self.level > 0.0 {
            return Duration::ZERO;
        }
        self.wait_for(1, per_second)
    }

    /// How long until there is this much.
    fn wait_for(&self, amount: u64, per_second: u64) -> Duration {
        Duration::from_secs_f64((amount as f64 - self.level).max(0.0) / per_second.max(1) as f64)
    }
}

impl Pace {
    /// With these limits; `None` for no limit.
    #[must_use]
    pub(crate) fn new(settings: Option<PacingSettings>) -> Arc<Self> {
        let now = Instant::now();
        let full = |burst: u64| Bucket { level: burst as f64, filled: now };
        let buckets = settings.map(|settings| {
            let (bytes, writes) = (full(settings.bytes_burst), full(settings.writes_burst));
            Mutex::new(Buckets { settings, bytes, writes, taken: Default::default() })
        });
        let waits = Lane::ALL.map(|_| Durations::new(&WAIT_SECONDS));
        Arc::new(Self { buckets, waiting: Default::default(), waits })
    }

    /// Waits until a write of `bytes` may be sent, and takes it from the buckets. While both lanes wait each gets
    /// half: what a commit writes has to be folded, written as pages and collected some time, which takes about as much, and
    /// under a load that takes all there is log and garbage would only grow if commits went first.
    pub(crate) async fn admit(&self, lane: Lane, bytes: u64) {
        let Some(mut wait) = self.take(lane, bytes) else { return };
        let arrived = Instant::now();
        let _waiting = Waiting::new(&self.waiting[lane as usize]);
        loop {
            sleep(wait).await;
            match self.take(lane, bytes) {
                Some(longer) => wait = longer,
                None => break,
            }
        }
        self.waits[lane as usize].observe(arrived.elapsed());
    }

    /// How long writes of a lane have waited; those that went at once are not among them.
    pub(crate) fn waits(&self, lane: Lane) -> &Durations {
        &self.waits[lane as usize]
    }

    /// How long a write would have to wait now: what the queue tells clients to wait when it is full.
    #[must_use]
    pub(crate) fn delay(&self) -> Duration {
        self.buckets.as_ref().map_or(Duration::ZERO, |buckets| buckets.lock().wait())
    }

    /// How long until a value of `bytes` could have been sent in chunks, if nobody else wrote.
    #[must_use]
    pub(crate) fn delay_of(&self, bytes: u64) -> Duration {
        let Some(buckets) = &self.buckets else { return Duration::ZERO };
        let chunks = bytes.div_ceil(CHUNK_BYTES as u64);
        buckets.lock().wait_for(bytes + chunks * ENVELOPE_BYTES, chunks)
    }

    /// Takes a write from the buckets, or says how long to wait before trying again.
    fn take(&self, lane: Lane, bytes: u64) -> Option<Duration> {
        let mut buckets = self.buckets.as_ref()?.lock();
        let wait = buckets.wait();
        if !wait.is_zero() {
            return Some(wait);
        }
        let other_waits = self.waiting[lane.other() as usize].load(Ordering::Relaxed) > 0;
        let [own, other] = [lane, lane.other()].map(|lane| buckets.taken[lane as usize]);
        if !other_waits {
            buckets.taken = Default::default();
        } else if own > other {
            return Some(TURN_LOOK);
        }
        buckets.taken[lane as usize] += buckets.cost(bytes);
        buckets.bytes.level -= bytes as f64;
        buckets.writes.level -= 1.0;
        None
    }
}

impl Buckets {
    fn fill(&mut self) {
        let now = Instant::now();
        let PacingSettings { bytes_per_second, bytes_burst, writes_per_second, writes_burst } = self.settings;
        self.bytes.fill(bytes_per_second, bytes_burst, now);
        self.writes.fill(writes_per_second, writes_burst, now);
    }

    /// How many seconds of what comes into the buckets a write takes.
    fn cost(&self, bytes: u64) -> f64 {
        let PacingSettings { bytes_per_second, writes_per_second, .. } = self.settings;
        (bytes as f64 / bytes_per_second.max(1) as f64).max(1.0 / writes_per_second.max(1) as f64)
    }

    fn wait(&mut self) -> Duration {
        self.fill();
        let PacingSettings { bytes_per_second, writes_per_second, .. } = self.settings;
        self.bytes.wait(bytes_per_second).max(self.writes.wait(writes_per_second))
    }

    fn wait_for(&mut self, bytes: u64, writes: u64) -> Duration {
        self.fill();
        let PacingSettings { bytes_per_second, writes_per_second, .. } = self.settings;
        let bytes = self.bytes.wait_for(bytes, bytes_per_second);
        bytes.max(self.writes.wait_for(writes, writes_per_second))
    }
}

/// Counts a write as waiting as long as it lives, also when the waiting is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A store whose writes keep to a pace.
pub(crate) struct Paced {
    store: Arc<dyn ObjectStore>,
    pace: Arc<Pace>,
    lane: Lane,
}

impl Paced {
    /// `store` with the writes of one lane paced.
    #[must_use]
    pub(crate) fn new(store: Arc<dyn ObjectStore>, pace: Arc<Pace>, lane: Lane) -> Arc<Self> {
        Arc::new(Self { store, pace, lane })
    }
}

#[async_trait]
impl ObjectStore for Paced {
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        self.store.get(name).await
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError> {
        self.store.list(selector).await
    }

    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError> {
        self.pace.admit(self.lane, draft.content.size() + ENVELOPE_BYTES).await;
        self.store.create(draft).await
    }

    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        self.pace.admit(self.lane, draft.content.size() + ENVELOPE_BYTES).await;
        self.store.replace(draft, expected).await
    }

    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        self.pace.admit(self.lane, ENVELOPE_BYTES).await;
        self.store.delete(name, id).await
    }

    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent> {
        self.store.watch(selector)
    }

    fn time(&self) -> Option<UnixMillis> {
        self.store.time()
    }
}

#[cfg(test)]
mod tests;
