//! What an edge counts, in Prometheus' base units. A hit touches one atomic counter and no table.

use std::time::Duration;

use nearkv::{CacheStatus, Error, Reason};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{cache::Reading, circuit::CircuitState};

/// Bounds of the histogram of upstream's latency: from the same node to the other side of the world, and to the
/// time-out.
const LATENCY_SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

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
            Self::GetMany => "get-many",
            Self::List => "list",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::WriteMany => "write-many",
        }
    }
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

/// The metrics of one cache.
pub(crate) struct Metrics {
    /// Refreshes ahead of time that were started.
    pub(crate) refreshes: Counter,
    reads: [[Counter; CacheStatus::ALL.len()]; Operation::READS.len()],
    failed: Family<OutcomeLabels, Counter>,
    upstream: Family<OutcomeLabels, Counter>,
    latency: Family<OperationLabels, Histogram, fn() -> Histogram>,
    bytes: Gauge,
    entries: Gauge,
    tasks: Gauge,
    circuit: Family<StateLabels, Gauge>,
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
            bytes: Gauge::default(),
            entries: Gauge::default(),
            tasks: Gauge::default(),
            circuit: Family::default(),
            registry: Mutex::default(),
        };
        metrics.register(answered);
        metrics
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
        let bytes = self.bytes.clone();
        registry.register_with_unit("cache", "Keys, values, metadata and overhead held", Unit::Bytes, bytes);
        registry.register("cache_entries", "Entries, absences and pages held", self.entries.clone());
        registry.register("tasks", "Fetches and writes on their way", self.tasks.clone());
        registry.register("circuit", "1 for the state of the circuit before upstream", self.circuit.clone());
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

    /// Everything in OpenMetrics text; empty if it cannot be written, which memory does not refuse.
    pub(crate) fn text(&self, bytes: u64, entries: u64, tasks: usize, circuit: CircuitState) -> String {
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        for state in CircuitState::ALL {
            let labels = StateLabels { state: state.as_str() };
            self.circuit.get_or_create(&labels).set(i64::from(state == circuit));
        }
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry.lock()) {
            tracing::error!(%error, "failed to write the metrics");
        }
        text
    }
}

fn count(family: &Family<OutcomeLabels, Counter>, operation: Operation, outcome: &'static str) {
    family.get_or_create(&OutcomeLabels { operation: operation.as_str(), outcome }).inc();
}
