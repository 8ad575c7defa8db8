//! Answers that are remembered, and questions that are asked once: whoever asks for what is being asked already takes
//! a seat and waits for the same answer. A question is a task of its own, so that one whose reader went away, or would
//! wait no longer, is still heard.
//!
//! Bounded without bookkeeping per use: a shard has two generations, and when the young one is full it becomes the
//! old one. Everything in it is asked again within a minute if it is used, and so moves to the young one by itself.

use std::{
    hash::{Hash, RandomState},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument, Span};

use super::hashed::{Hashed, HashedMap};
use crate::{Error, Reason};

/// Shards: with the usual two to eight cores nobody waits for another's lock.
const SHARDS: usize = 16;
/// Most questions that are on their way in one shard; beyond, requests are refused and not queued.
const MAX_QUESTIONS: usize = 64;
/// Longest wait for an answer.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before who cannot be reached is asked the same again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What is remembered of an answer.
#[derive(Clone, Debug)]
pub struct Held<V> {
    /// The answer.
    pub value: V,
    /// When it was asked for.
    pub asked: Instant,
    /// Until when it may be used without asking again.
    pub until: Instant,
    /// When to ask again, if asking has failed since.
    pub retry: Option<Instant>,
}

impl<V> Held<V> {
    /// How long it may still be used.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// How a question ended; `None` while it is on its way.
type End<V> = Option<Result<Held<V>, Error>>;

/// A place to wait for an answer.
pub(super) struct Seat<V>(watch::Receiver<End<V>>);

impl<V: Clone> Seat<V> {
    /// The answer.
    ///
    /// # Errors
    /// What the question failed with.
    pub(super) async fn answer(mut self) -> Result<Held<V>, Error> {
        match self.0.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or_else(|| Err(lost())),
            Err(_) => Err(lost()),
        }
    }
}

struct Shard<K, V> {
    young: HashedMap<K, Held<V>>,
    old: HashedMap<K, Held<V>>,
    asked: HashedMap<K, watch::Receiver<End<V>>>,
}

impl<K: Eq, V: Clone> Shard<K, V> {
    fn keep(&mut self, key: Hashed<K>, held: Held<V>, most: usize) {
        if self.young.len() >= most && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, held);
    }

    fn held(&self, key: &Hashed<K>) -> Option<&Held<V>> {
        self.young.get(key).or_else(|| self.old.get(key))
    }
}

/// Remembers answers of type `V` to questions of type `K`.
pub struct Desk<K, V> {
    shards: Vec<RwLock<Shard<K, V>>>,
    hasher: RandomState,
    most: usize,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl<K, V> Desk<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Remembers at most about twice `capacity` answers. End it with [`Desk::shutdown`].
    #[must_use]
    pub fn new(capacity: usize) -> Arc<Self> {
        let shard = || {
            RwLock::new(Shard {
                young: HashedMap::default(),
                old: HashedMap::default(),
                asked: HashedMap::default(),
            })
        };
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            most: capacity.div_ceil(SHARDS).max(1),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// A key as the rest of it takes it.
    pub(super) fn key(&self, key: K) -> Hashed<K> {
        Hashed::new(key, &self.hasher)
    }

    fn shard(&self, key: &Hashed<K>) -> &RwLock<Shard<K, V>> {
        &self.shards[key.shard(SHARDS)]
    }

    /// What is remembered, however old.
    pub(super) fn held(&self, key: &Hashed<K>) -> Option<Held<V>> {
        self.shard(key).read().held(key).cloned()
    }

    /// What is remembered, if it may be used without asking again; else the answer to `question`.
    ///
    /// # Errors
    /// As of [`Desk::ask`] and [`Seat::answer`].
    pub async fn answer<F>(self: &Arc<Self>, key: K, question: impl FnOnce() -> F) -> Result<Held<V>, Error>
    where
        F: Future<Output = Result<(V, Duration), Error>> + Send + 'static,
    {
        let (key, now) = (self.key(key), Instant::now());
        match self.held(&key).filter(|held| now < held.until) {
            Some(held) => Ok(held),
            None => self.ask(&key, question)?.answer().await,
        }
    }

    /// Notes that asking has failed, for whoever finds what is remembered.
    pub(super) fn failing(&self, key: &Hashed<K>) {
        let mut shard = self.shard(key).write();
        let retry = Some(Instant::now() + RETRY_PAUSE);
        let Shard { young, old, .. } = &mut *shard;
        if let Some(held) = young.get_mut(key).or_else(|| old.get_mut(key)) {
            held.retry = retry;
        }
    }

    /// Asks, or joins who asks already. The answer is remembered for as long as it says.
    ///
    /// # Errors
    /// `throttled` (429) if too many questions are on their way.
    pub(super) fn ask<F>(
        self: &Arc<Self>,
        key: &Hashed<K>,
        question: impl FnOnce() -> F,
    ) -> Result<Seat<V>, Error>
    where
        F: Future<Output = Result<(V, Duration), Error>> + Send + 'static,
    {
        let mut shard = self.shard(key).write();
        if let Some(asked) = shard.asked.get(key) {
            return Ok(Seat(asked.clone()));
        }
        let asked = Instant::now();
        // Answered while this one waited for the lock.
        if let Some(held) = shard.held(key).filter(|held| asked < held.until) {
            return Ok(Seat(watch::channel(Some(Ok(held.clone()))).1));
        }
        if shard.asked.len() >= MAX_QUESTIONS {
            let text = "Too many tokens are being checked; try again";
            return Err(Error::new(Reason::Throttled, text).with_retry_after(RETRY_PAUSE));
        }
        let (end, seat) = watch::channel(None);
        shard.asked.insert(key.clone(), seat.clone());
        let asking = Asking { desk: self.clone(), key: key.clone(), end };
        drop(shard);
        let question = question();
        // In the trace of whoever asked first.
        let trace = Span::current();
        let asking = async move {
            let stop = asking.desk.stop.clone();
            let answer = tokio::select! {
                answer = timeout(QUESTION_TIMEOUT, question) => answer.unwrap_or_else(|_| Err(silent())),
                () = stop.cancelled() => Err(lost()),
            };
            asking.hear(asked, answer);
        };
        self.tasks.spawn(asking.instrument(trace));
        Ok(Seat(seat))
    }

    /// Gives up what is being asked, and waits for its tasks.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A question on its way. Dropped, it leaves nobody waiting.
struct Asking<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    desk: Arc<Desk<K, V>>,
    key: Hashed<K>,
    end: watch::Sender<End<V>>,
}

impl<K, V> Asking<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn hear(&self, asked: Instant, answer: Result<(V, Duration), Error>) {
        let answer = answer.map(|(value, lasts)| Held { value, asked, until: asked + lasts, retry: None });
        match &answer {
            Ok(held) => {
                self.desk.shard(&self.key).write().keep(self.key.clone(), held.clone(), self.desk.most);
            }
            Err(_) => self.desk.failing(&self.key),
        }
        self.end.send_replace(Some(answer));
    }
}

impl<K, V> Drop for Asking<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.desk.shard(&self.key).write().asked.remove(&self.key);
    }
}

fn silent() -> Error {
    Error::new(Reason::Unavailable, "The authority does not answer in time").with_retry_after(RETRY_PAUSE)
}

fn lost() -> Error {
    Error::new(Reason::Unavailable, "The question to the authority was given up")
        .with_retry_after(RETRY_PAUSE)
}
