//! The metrics of an edge, in Prometheus' base units. A hit increments two atomic counters and looks nothing up. Metrics
//! of one KvNamespace are in `tally`, those of snapshots in `snapshots`.

mod operation;
mod snapshots;
mod tally;

use std::{sync::Arc, time::Duration};

use nearkv::{
    CacheStatus, Namespace, Reason,
    metrics::{register_build, text},
};
use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

pub(crate) use self::{
    operation::{Operation, upstream_span},
    tally::Tally,
};
use self::{snapshots::SnapshotMetrics, tally::KvNamespaces};
use crate::circuit::CircuitState;

/// Bounds of the histogram of upstream's latency: from the same node to the other side of the world, and to the
/// time-out.
const LATENCY_SECONDS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Bounds of the histogram of the age of stale answers: from a minute, the usual time to live, to a day, the usual
/// `staleIfErrorSeconds`, and beyond.
const STALE_SECONDS: [f64; 8] = [60.0, 120.0, 300.0, 900.0, 3600.0, 10_800.0, 86_400.0, 604_800.0];

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
    stale: Histogram,
    bytes: Gauge,
    capacity: Gauge,
    entries: Gauge,
    tasks: Gauge,
    circuit: Family<StateLabels, Gauge>,
    pub(crate) snapshots: SnapshotMetrics,
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
            snapshots: SnapshotMetrics::default(),
            registry: Mutex::default(),
        };
        metrics.register(answered);
        register_build(&mut metrics.registry.lock(), "edge-cache");
        metrics
    }

    /// Adds the counters of another part of the process.
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
        registry.register_with_unit(
            "cache",
            "Keys, values, metadata and overhead cached",
            Unit::Bytes,
            bytes,
        );
        registry.register("cache_entries", "Entries, absences and pages cached", self.entries.clone());
        registry.register("tasks", "Fetches and writes on their way", self.tasks.clone());
        registry.register("circuit", "1 for the state of the circuit before upstream", self.circuit.clone());
        self.snapshots.register(registry);
    }

    /// Counts an answered read, and the `age` of a stale one.
    pub(crate) fn read(&self, operation: Operation, status: CacheStatus, tally: &Tally, age: Duration) {
        let operation = Operation::READS.iter().position(|known| *known == operation);
        let index = CacheStatus::ALL.iter().position(|known| *known == status);
        if let (Some(operation), Some(index)) = (operation, index) {
            self.reads[operation][index].inc();
            tally.reads[index].inc();
        }
        if status == CacheStatus::Stale {
            self.stale.observe(age.as_secs_f64());
        }
    }

    /// Counts a failed read.
    pub(crate) fn read_failed(&self, operation: Operation, reason: Reason) {
        count(&self.failed, operation, reason.as_str());
    }

    /// Counts how a request to upstream ended, and the time until its answer began.
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

/// The gauges of one scrape.
pub(crate) struct Sample {
    /// Bytes in the cache, keys and overhead included.
    pub(crate) bytes: u64,
    /// Bytes the cache may have.
    pub(crate) capacity: u64,
    pub(crate) entries: u64,
    /// Fetches and writes in flight.
    pub(crate) tasks: usize,
    pub(crate) circuit: CircuitState,
    pub(crate) kvnamespaces: Vec<(Namespace, Arc<Tally>)>,
}

fn count(family: &Family<OutcomeLabels, Counter>, operation: Operation, outcome: &'static str) {
    family.get_or_create(&OutcomeLabels { operation: operation.as_str(), outcome }).inc();
}
