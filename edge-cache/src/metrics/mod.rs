//! What an edge counts, in Prometheus' base units. A hit touches one atomic counter and no table.

use std::{fmt, sync::Arc, time::Duration};

use nearkv::{
    CacheStatus, Error, Namespace, Reason,
    metrics::{Count, MOST_KVNAMESPACES, counters, register_build, text, without_series},
    telemetry::SPANS,
};
use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;
use tracing::Span;

use crate::{circuit::CircuitState, read::Reading, snapshot::Counts};

/// Bounds of the histogram of upstream's latency: from the same node to the other side of the world, and to the
/// time-out.
const LATENCY_SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Bounds of the histogram of the age of stale answers: from a minute, the usual time to live, to a day, the usual
/// `staleIfErrorSeconds`, and beyond.
const STALE_SECONDS: [f64; 8] = [60.0, 120.0, 300.0, 900.0, 3600.0, 10_800.0, 86_400.0, 604_800.0];
/// How long the series of a KvNamespace that nobody reads are kept: nobody tells an edge that one was deleted before
/// somebody asks for it.
const IDLE: Duration = Duration::from_secs(3600);

/// An operation as metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A get of one key.
    Get,
    /// A bulk get; counted by key.
    GetMany,
    /// A list.
    List,
    /// A put.
    Put,
    /// A delete.
    Delete,
    /// A bulk write.
    WriteMany,
}

impl Operation {
    /// Those that are answered from memory.
    const READS: [Self; 3] = [Self::Get, Self::GetMany, Self::List];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "bulk-get",
            Self::List => "list",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::WriteMany => "bulk-write",
        }
    }
}

/// The span of a question to upstream, within that of the request that asks; none where there is none.
pub(crate) fn upstream_span(operation: Operation) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::debug_span!(target: SPANS, "upstream", otel.kind = "client", operation = operation.as_str())
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadLabels {
    operation: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// What is counted of one KvNamespace. Everything held of it points here, so a hit looks nothing up.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    reads: [Count; CacheStatus::ALL.len()],
    /// The reads that the last scrape found, and when they had last grown.
    seen: Mutex<Option<(u64, Instant)>>,
}

impl Tally {
    /// Whether anybody has read since [`IDLE`] ago, as scrapes have seen it.
    fn is_read(&self, now: Instant) -> bool {
        let total = self.reads.iter().map(Count::get).sum();
        let mut seen = self.seen.lock();
        let since = seen.filter(|(known, _)| *known == total).map_or(now, |(_, since)| since);
        *seen = Some((total, since));
        now.duration_since(since) < IDLE
    }
}

/// The metrics of one cache.
pub(crate) struct Metrics {
    /// Refreshes ahead of time that were started.
    pub(crate) refreshes: Counter,
    reads: [[Counter; CacheStatus::ALL.len()]; Operation::READS.len()],
    failed: Family<OutcomeLabels, Counter>,
    upstream: Family<OutcomeLabels, Counter>,
    latency: Family<OperationLabels, Histogram, fn() -> Histogram>,
    stale: Histogram,
    bytes: Gauge,
    capacity: Gauge,
    entries: Gauge,
    tasks: Gauge,
    circuit: Family<StateLabels, Gauge>,
    /// What is counted of snapshots.
    pub(crate) snapshots: Counts,
    registry: Mutex<Registry>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let answered = Family::<ReadLabels, Counter>::default();
        let reads = Operation::READS.map(|operation| {
            CacheStatus::ALL.map(|status| {
                let labels = ReadLabels { operation: operation.as_str(), status: status.as_str() };
                answered.get_or_create(&labels).clone()
            })
        });
        let metrics = Self {
            refreshes: Counter::default(),
            reads,
            failed: Family::default(),
            upstream: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCY_SECONDS)),
            stale: Histogram::new(STALE_SECONDS),
            bytes: Gauge::default(),
            capacity: Gauge::default(),
            entries: Gauge::default(),
            tasks: Gauge::default(),
            circuit: Family::default(),
            snapshots: Counts::default(),
            registry: Mutex::default(),
        };
        metrics.register(answered);
        register_build(&mut metrics.registry.lock(), "edge-cache");
        metrics
    }

    /// Adds what is counted elsewhere.
    pub(crate) fn add(&self, counted: &Arc<impl Collector>) {
        self.registry.lock().register_collector(Box::new(Arc::clone(counted)));
    }

    fn register(&self, answered: Family<ReadLabels, Counter>) {
        let mut registry = self.registry.lock();
        let registry = registry.sub_registry_with_prefix("nearkv_edge");
        registry.register("reads", "Reads answered, by operation and cache status", answered);
        registry.register("reads_failed", "Reads refused or failed, by reason", self.failed.clone());
        registry.register("refreshes", "Refreshes ahead of time that were started", self.refreshes.clone());
        registry.register(
            "upstream_requests",
            "Requests to upstream, by operation and outcome",
            self.upstream.clone(),
        );
        registry.register_with_unit(
            "upstream_duration",
            "Time until upstream's answer began, by operation",
            Unit::Seconds,
            self.latency.clone(),
        );
        registry.register_with_unit(
            "stale_age",
            "Age of answers that were served stale because upstream could not be asked",
            Unit::Seconds,
            self.stale.clone(),
        );
        let (bytes, capacity) = (self.bytes.clone(), self.capacity.clone());
        registry.register_with_unit("cache_capacity", "What it may hold", Unit::Bytes, capacity);
        registry.register_with_unit("cache", "Keys, values, metadata and overhead held", Unit::Bytes, bytes);
        registry.register("cache_entries", "Entries, absences and pages held", self.entries.clone());
        registry.register("tasks", "Fetches and writes on their way", self.tasks.clone());
        registry.register("circuit", "1 for the state of the circuit before upstream", self.circuit.clone());
        self.snapshots.register(registry);
    }

    /// Counts how a read ended.
    pub(crate) fn read(
        &self,
        operation: Operation,
        reading: Result<Reading, Error>,
    ) -> Result<Reading, Error> {
        match &reading {
            Ok(reading) => {
                let counters = Operation::READS.iter().position(|known| *known == operation);
                let status = CacheStatus::ALL.iter().position(|known| *known == reading.served.status);
                if let (Some(operation), Some(status)) = (counters, status) {
                    self.reads[operation][status].inc();
                    reading.held.life.tally.reads[status].inc();
                }
                if reading.served.status == CacheStatus::Stale {
                    self.stale.observe(reading.held.age(reading.at).as_secs_f64());
                }
            }
            Err(error) => count(&self.failed, operation, error.reason().as_str()),
        }
        reading
    }

    /// Counts how a request to upstream ended, and after which time until its answer began.
    pub(crate) fn upstream(&self, operation: Operation, failure: Option<Reason>, took: Duration) {
        let labels = OperationLabels { operation: operation.as_str() };
        self.latency.get_or_create(&labels).observe(took.as_secs_f64());
        count(&self.upstream, operation, failure.map_or("ok", Reason::as_str));
    }

    /// Everything in OpenMetrics text.
    pub(crate) fn text(&self, sample: Sample) -> String {
        let Sample { bytes, capacity, entries, tasks, circuit, kvnamespaces } = sample;
        self.capacity.set(i64::try_from(capacity).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        for state in CircuitState::ALL {
            let labels = StateLabels { state: state.as_str() };
            self.circuit.get_or_create(&labels).set(i64::from(state == circuit));
        }
        let mut present = Registry::default();
        present.register_collector(Box::new(KvNamespaces::of(kvnamespaces)));
        text([&*self.registry.lock(), &present])
    }
}

/// What is read from the cache at a scrape.
pub(crate) struct Sample {
    /// What is held, keys and overhead included.
    pub(crate) bytes: u64,
    /// What may be held.
    pub(crate) capacity: u64,
    pub(crate) entries: u64,
    /// Fetches and writes on their way.
    pub(crate) tasks: usize,
    pub(crate) circuit: CircuitState,
    pub(crate) kvnamespaces: Vec<(Namespace, Arc<Tally>)>,
}

/// The KvNamespaces that upstream has answered for, and whose reads have series of their own.
#[derive(Debug)]
struct KvNamespaces {
    shown: Vec<(Namespace, Arc<Tally>)>,
    left_out: usize,
}

impl KvNamespaces {
    fn of(all: Vec<(Namespace, Arc<Tally>)>) -> Self {
        let now = Instant::now();
        let mut shown: Vec<_> = all.into_iter().filter(|(_, tally)| tally.is_read(now)).collect();
        shown.sort_by(|(a, _), (b, _)| a.cmp(b));
        let left_out = shown.len().saturating_sub(MOST_KVNAMESPACES);
        shown.truncate(MOST_KVNAMESPACES);
        Self { shown, left_out }
    }
}

impl Collector for KvNamespaces {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let series = self.shown.iter().flat_map(|(namespace, tally)| {
            CacheStatus::ALL.iter().zip(&tally.reads).map(|(status, count)| {
                let labels = [
                    ("account", namespace.account()),
                    ("kvnamespace", namespace.name()),
                    ("status", status.as_str()),
                ];
                (labels, count.get())
            })
        });
        let help = "Reads answered, by KvNamespace and cache status; gone an hour after the last read";
        counters(&mut encoder, "nearkv_edge_kvnamespace_reads", help, None, series)?;
        without_series(&mut encoder, self.left_out)
    }
}

fn count(family: &Family<OutcomeLabels, Counter>, operation: Operation, outcome: &'static str) {
    family.get_or_create(&OutcomeLabels { operation: operation.as_str(), outcome }).inc();
}
