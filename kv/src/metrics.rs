//! How every process of nearkv counts: in atomics that are resolved beforehand, and read at a scrape. What a
//! registry of `prometheus-client` looks up in a table or takes a lock for is no matter for the path of a read.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric, NoLabelSet, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};

/// Content type of [`text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Most KvNamespaces with series of their own in one process, first come by name: Prometheus keeps every series of
/// the last hours in memory, and a few thousand are what one target should give it.
pub const MOST_KVNAMESPACES: usize = 1000;

/// A label and its value.
pub type Label<'a> = (&'static str, &'a str);

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn inc(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A histogram of durations, without a lock: one atomic per bucket, and the sum.
#[derive(Debug)]
pub struct Durations {
    /// Upper bounds in seconds, ascending.
    bounds: &'static [f64],
    /// One more than there are bounds.
    buckets: Box<[AtomicU64]>,
    micros: AtomicU64,
}

impl Durations {
    /// An empty one with these upper bounds, in seconds, ascending.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, micros: AtomicU64::new(0) }
    }

    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (self.micros.load(Ordering::Relaxed) as f64 / 1e6, count, buckets)
    }
}

/// Writes a counter and all its series; `name` is without `_total`.
///
/// # Errors
/// If the text cannot be written, which memory does not refuse.
pub fn counters<'a, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    series: impl IntoIterator<Item = ([Label<'a>; N], u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
    for (labels, value) in series {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Writes a gauge and all its series.
///
/// # Errors
/// As [`counters`].
pub fn gauges<'a, const N: usize, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    series: impl IntoIterator<Item = ([Label<'a>; N], V)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (labels, value) in series {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Writes how many KvNamespaces there are beyond [`MOST_KVNAMESPACES`], which have no series of their own.
///
/// # Errors
/// As [`counters`].
pub fn without_series(encoder: &mut DescriptorEncoder<'_>, left_out: usize) -> fmt::Result {
    let help = format!("KvNamespaces beyond the {MOST_KVNAMESPACES} that have series of their own");
    gauges(encoder, "nearkv_kvnamespaces_without_series", &help, None, [([], left_out as u64)])
}

/// Writes a histogram of seconds and all its series.
///
/// # Errors
/// As [`counters`].
pub fn histograms<'h, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = ([Label<'static>; N], &'h Durations)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (labels, durations) in series {
        let (sum, count, buckets) = durations.read();
        family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
    }
    Ok(())
}

/// Registers `nearkv_build_info` of a process: which program it is, and its version.
pub fn register_build(registry: &mut Registry, component: &'static str) {
    let info = Info::new([("component", component), ("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("nearkv_build", "Which program this is, and its version", info);
}

/// A whole scrape in OpenMetrics text. What cannot be written is left out and logged.
#[must_use]
pub fn text<'a>(registries: impl IntoIterator<Item = &'a Registry>) -> String {
    let mut written = String::new();
    for registry in registries {
        if let Err(error) = text::encode_registry(&mut written, registry) {
            tracing::error!(%error, "failed to write the metrics");
        }
    }
    if let Err(error) = text::encode_eof(&mut written) {
        tracing::error!(%error, "failed to write the end of the metrics");
    }
    written
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus_client::collector::Collector;

    use super::*;

    #[derive(Debug)]
    struct Waits(Arc<Durations>);

    impl Collector for Waits {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            histograms(&mut encoder, "waits", "Waits", [([("lane", "commit")], &*self.0)])
        }
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_and_its_sum_in_seconds() {
        let durations = Arc::new(Durations::new(&[0.001, 0.01]));
        for micros in [500, 1000, 5000, 20_000] {
            durations.observe(Duration::from_micros(micros));
        }
        assert_eq!(durations.count(), 4);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Waits(Arc::clone(&durations))));
        let text = text([&registry]);
        for line in [
            "# TYPE waits_seconds histogram",
            r#"waits_seconds_bucket{le="0.001",lane="commit"} 2"#,
            r#"waits_seconds_bucket{le="0.01",lane="commit"} 3"#,
            r#"waits_seconds_bucket{le="+Inf",lane="commit"} 4"#,
            r#"waits_seconds_count{lane="commit"} 4"#,
            r#"waits_seconds_sum{lane="commit"} 0.0265"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{text} lacks {line}");
        }
    }
}
