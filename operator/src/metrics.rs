//! The operator's metrics, in OpenMetrics text.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use nearkv::{
    access::DecisionCounts,
    http::server::Requests,
    metrics::{register_build, text},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use nearkv_origin::Origin;

/// From a step that only looks, to one that waits for its turn at the API server.
const STEP_SECONDS: [f64; 9] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

/// All metrics of an operator process.
pub struct Metrics {
    registry: Registry,
    rounds: Family<Outcome, Counter>,
    leading: Gauge<i64, AtomicI64>,
    configured: Gauge<i64, AtomicI64>,
    loading: Gauge<i64, AtomicI64>,
    clock_skew: Gauge<f64, AtomicU64>,
    steps: Family<Step, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Step {
    step: &'static str,
}

/// What is read from elsewhere at each scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Whether this process holds the Lease.
    pub leading: bool,
    /// KvNamespaces that are watched.
    pub configured: usize,
    /// Those of them whose data are not in memory yet.
    pub loading: usize,
    /// How far the clock is ahead of the API server's, in milliseconds.
    pub clock_skew_ms: i64,
}

impl Metrics {
    /// All at zero, with those of the origin and of the data listener.
    #[must_use]
    pub fn new(origin: &Arc<Origin>, requests: &Arc<Requests>, decisions: &Arc<DecisionCounts>) -> Self {
        let mut metrics = Self::of_the_controller();
        metrics.registry.register_collector(Box::new(Arc::clone(requests)));
        metrics.registry.register_collector(Box::new(Arc::clone(decisions)));
        origin.register(&mut metrics.registry);
        metrics
    }

    fn of_the_controller() -> Self {
        let mut all = Registry::default();
        register_build(&mut all, "operator");
        let registry = all.sub_registry_with_prefix("nearkv_operator");
        let rounds = Family::default();
        registry.register(
            "reconciles",
            "Rounds of the controller by outcome: settled, unsettled, or the step that failed",
            rounds.clone(),
        );
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let leading = gauge("leading", "Whether this process holds the Lease");
        let configured = gauge("kvnamespaces", "KvNamespaces that are served");
        let loading = gauge("kvnamespaces_loading", "KvNamespaces whose data are not in memory yet");
        let clock_skew = Gauge::default();
        registry.register_with_unit(
            "clock_skew",
            "How far the clock is ahead of the API server's",
            Unit::Seconds,
            clock_skew.clone(),
        );
        let steps = Family::new_with_constructor((|| Histogram::new(STEP_SECONDS)) as fn() -> Histogram);
        registry.register_with_unit(
            "reconcile_step_duration",
            "Time that a step of a controller's round took",
            Unit::Seconds,
            steps.clone(),
        );
        Self { registry: all, rounds, leading, configured, loading, clock_skew, steps }
    }

    /// Counts a round of the controller. `outcome`: `settled`, `unsettled`, or the step that failed.
    pub(crate) fn round(&self, outcome: &'static str) {
        self.rounds.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts how long a step of a round took: `read`, `dereference`, `apply`, `binding`,
    /// `status`, or the whole `round`.
    pub(crate) fn step(&self, step: &'static str, took: Duration) {
        self.steps.get_or_create(&Step { step }).observe(took.as_secs_f64());
    }

    /// The text of a scrape.
    #[must_use]
    pub fn encode(&self, sample: Sample) -> String {
        let Sample { leading, configured, loading, clock_skew_ms } = sample;
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.leading.set(i64::from(leading));
        self.configured.set(count(configured));
        self.loading.set(count(loading));
        self.clock_skew.set(clock_skew_ms as f64 / 1000.0);
        text([&self.registry])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_counted_by_outcome() {
        let metrics = Metrics::of_the_controller();
        metrics.round("settled");
        metrics.round("settled");
        metrics.round("status");
        metrics.step("apply", Duration::from_millis(3));
        let sample = Sample { leading: true, configured: 3, loading: 1, clock_skew_ms: -5 };
        let text = metrics.encode(sample);
        for line in [
            r#"nearkv_operator_reconciles_total{outcome="settled"} 2"#,
            r#"nearkv_operator_reconciles_total{outcome="status"} 1"#,
            "nearkv_operator_leading 1",
            "nearkv_operator_kvnamespaces 3",
            "nearkv_operator_kvnamespaces_loading 1",
            "nearkv_operator_clock_skew_seconds -0.005",
            r#"nearkv_operator_reconcile_step_duration_seconds_bucket{le="0.005",step="apply"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{text} lacks {line}");
        }
    }
}
