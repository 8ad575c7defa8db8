//! What the origin counts of commits and of its requests to the store: atomics that are read at a scrape
//! (`exposition`).

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use nearkv::{
    UnixMillis,
    metrics::{Count, Durations},
    telemetry::SPANS,
};
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::{
    limits::pacing::Lane,
    store::{
        Draft, Meta, Object, ObjectId, ObjectName, ObjectStore, Selector, StoreError, Token, WatchEvent,
        WatchScope,
    },
};

/// From an update of a small object on the same machine, to the deadline of a write.
pub(crate) const COMMIT_SECONDS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The counters of one process.
#[derive(Debug)]
pub(crate) struct Counters {
    /// From taking a batch to the last of its answers, every attempt included.
    pub(crate) commits: Durations,
    pub(crate) conflicts: Count,
    pub(crate) records: Count,
    /// Tasks of a KvNamespace that have panicked.
    pub(crate) failures: Count,
    /// Roots whose state in memory was not that of their committer.
    pub(crate) state_differences: Count,
    pub(crate) requests: [[Request; Verb::ALL.len()]; Lane::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            commits: Durations::new(&COMMIT_SECONDS),
            conflicts: Count::default(),
            records: Count::default(),
            failures: Count::default(),
            state_differences: Count::default(),
            requests: Lane::ALL.map(|_| Verb::ALL.map(|_| Request::default())),
        }
    }
}

/// Those of one KvNamespace; gone with it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) commits: Count,
    pub(crate) conflicts: Count,
    pub(crate) records: Count,
}

impl Tally {
    /// A swap has succeeded that committed so many records.
    pub(crate) fn count_commit(&self, all: &Counters, records: u64) {
        self.commits.inc();
        self.records.add(records);
        all.records.add(records);
    }

    /// A swap was lost to another one.
    pub(crate) fn count_conflict(&self, all: &Counters) {
        self.conflicts.inc();
        all.conflicts.inc();
    }
}

/// What is asked of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    List,
    Create,
    Replace,
    Delete,
}

impl Verb {
    pub(crate) const ALL: [Self; 5] = [Self::Get, Self::List, Self::Create, Self::Replace, Self::Delete];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Delete => "delete",
        }
    }
}

/// Requests of one kind.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) took: Durations,
    pub(crate) ended: [Count; RESULTS.len()],
    pub(crate) sent: Count,
}

impl Default for Request {
    fn default() -> Self {
        let ended = RESULTS.map(|_| Count::default());
        Self { took: Durations::new(&COMMIT_SECONDS), ended, sent: Count::default() }
    }
}

/// How a request to the store may end, in the order of [`place`].
pub(crate) const RESULTS: [&str; 8] =
    ["ok", "exists", "conflict", "missing", "refused", "throttled", "unknown", "damaged"];

fn place(error: Option<&StoreError>) -> usize {
    match error {
        None => 0,
        Some(StoreError::Exists(_)) => 1,
        Some(StoreError::Conflict(_)) => 2,
        Some(StoreError::Missing(_)) => 3,
        Some(StoreError::Refused { .. }) => 4,
        Some(StoreError::Throttled { .. }) => 5,
        Some(StoreError::Unknown { .. }) => 6,
        Some(StoreError::Damaged { .. }) => 7,
    }
}

/// A store whose requests are counted.
pub(crate) struct Counted {
    store: Arc<dyn ObjectStore>,
    counters: Arc<Counters>,
    lane: Lane,
}

impl Counted {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, counters: Arc<Counters>, lane: Lane) -> Arc<Self> {
        Arc::new(Self { store, counters, lane })
    }

    /// Within the span of a commit or of a request; upkeep makes no traces.
    fn span(&self, verb: Verb) -> Span {
        if Span::current().is_none() {
            return Span::none();
        }
        let (verb, lane) = (verb.as_str(), self.lane.as_str());
        let name = format!("{verb} configmaps");
        tracing::debug_span!(target: SPANS, "store", otel.name = name, otel.kind = "client", verb, lane)
    }

    async fn count<T>(
        &self,
        verb: Verb,
        bytes: u64,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let asked = Instant::now();
        let answer = answer.instrument(self.span(verb)).await;
        let request = &self.counters.requests[self.lane as usize][verb as usize];
        request.took.observe(asked.elapsed());
        request.ended[place(answer.as_ref().err())].inc();
        request.sent.add(bytes);
        answer
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        self.count(Verb::Get, 0, self.store.get(name)).await
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError> {
        self.count(Verb::List, 0, self.store.list(selector)).await
    }

    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError> {
        self.count(Verb::Create, draft.content.size(), self.store.create(draft)).await
    }

    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        self.count(Verb::Replace, draft.content.size(), self.store.replace(draft, expected)).await
    }

    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        self.count(Verb::Delete, 0, self.store.delete(name, id)).await
    }

    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent> {
        self.store.watch(selector)
    }

    fn scopes(&self) -> Vec<WatchScope> {
        self.store.scopes()
    }

    fn time(&self) -> Option<UnixMillis> {
        self.store.time()
    }
}
