//! The operator's metrics, in OpenMetrics text.

use std::sync::atomic::AtomicI64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// All metrics of an operator process.
pub struct Metrics {
    registry: Registry,
    rounds: Family<Outcome, Counter>,
    leading: Gauge<i64, AtomicI64>,
    configured: Gauge<i64, AtomicI64>,
    loading: Gauge<i64, AtomicI64>,
    clock_skew: Gauge<i64, AtomicI64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
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
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("nearkv_operator");
        let rounds = Family::default();
        registry.register("reconciles", "Rounds of the controller by outcome", rounds.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let leading = gauge("leading", "Whether this process holds the Lease");
        let configured = gauge("kvnamespaces", "KvNamespaces that are served");
        let loading = gauge("kvnamespaces_loading", "KvNamespaces whose data are not in memory yet");
        let clock_skew = gauge("clock_skew_milliseconds", "How far the clock is ahead of the API server's");
        Self { registry, rounds, leading, configured, loading, clock_skew }
    }

    /// Counts a round of the controller. `outcome`: `settled`, `unsettled`, or the step that failed.
    pub(crate) fn round(&self, outcome: &'static str) {
        self.rounds.get_or_create(&Outcome { outcome }).inc();
    }

    /// The text of a scrape.
    #[must_use]
    pub fn encode(&self, sample: Sample) -> String {
        let Sample { leading, configured, loading, clock_skew_ms } = sample;
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.leading.set(i64::from(leading));
        self.configured.set(count(configured));
        self.loading.set(count(loading));
        self.clock_skew.set(clock_skew_ms);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::warn!(%error, "failed to write the metrics");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_counted_by_outcome() {
        let metrics = Metrics::new();
        metrics.round("settled");
        metrics.round("settled");
        metrics.round("status");
        let sample = Sample { leading: true, configured: 3, loading: 1, clock_skew_ms: -5 };
        let text = metrics.encode(sample);
        for line in [
            r#"nearkv_operator_reconciles_total{outcome="settled"} 2"#,
            r#"nearkv_operator_reconciles_total{outcome="status"} 1"#,
            "nearkv_operator_leading 1",
            "nearkv_operator_kvnamespaces 3",
            "nearkv_operator_kvnamespaces_loading 1",
            "nearkv_operator_clock_skew_milliseconds -5",
        ] {
            assert!(text.lines().any(|found| found == line), "{text} lacks {line}");
        }
    }
}
