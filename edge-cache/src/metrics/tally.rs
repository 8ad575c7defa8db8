//! The read counters of each KvNamespace, and which of them a scrape shows.

use std::{fmt, sync::Arc, time::Duration};

use nearkv::{
    CacheStatus, Namespace,
    metrics::{Count, MOST_KVNAMESPACES, counters, without_series},
};
use parking_lot::Mutex;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use tokio::time::Instant;

/// How long the series of a KvNamespace are shown after its last read: an edge learns that one was deleted only by the
/// next read.
const IDLE: Duration = Duration::from_secs(3600);

/// The read counters of one KvNamespace. All its cached answers point here, so a hit looks nothing up.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(super) reads: [Count; CacheStatus::ALL.len()],
    /// The total of the last scrape, and when it had last grown.
    seen: Mutex<Option<(u64, Instant)>>,
}

impl Tally {
    /// Whether it has grown within [`IDLE`], as far as scrapes have seen.
    fn is_read(&self, now: Instant) -> bool {
        let total = self.reads.iter().map(Count::get).sum();
        let mut seen = self.seen.lock();
        let since = seen.filter(|(known, _)| *known == total).map_or(now, |(_, since)| since);
        *seen = Some((total, since));
        now.duration_since(since) < IDLE
    }
}

/// The KvNamespaces whose reads have series of their own.
#[derive(Debug)]
pub(super) struct KvNamespaces {
    shown: Vec<(Namespace, Arc<Tally>)>,
    left_out: usize,
}

impl KvNamespaces {
    pub(super) fn of(all: Vec<(Namespace, Arc<Tally>)>) -> Self {
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
