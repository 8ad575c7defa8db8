//! The counters of snapshots.

use std::time::Duration;

use nearkv::UnixMillis;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The metrics of snapshots; all zero in an edge without them.
#[derive(Debug, Default)]
pub(crate) struct SnapshotMetrics {
    saves: Family<OutcomeLabels, Counter>,
    loads: Family<OutcomeLabels, Counter>,
    entries: Gauge,
    bytes: Gauge,
    saved_at: Gauge,
    loaded_entries: Gauge,
    loaded_bytes: Gauge,
    loaded_age: Gauge,
}

impl SnapshotMetrics {
    /// Registers them with the edge's.
    pub(crate) fn register(&self, registry: &mut Registry) {
        // Series exist from the start, so that the first failure is an increase.
        for outcome in ["ok", "failed"] {
            drop(self.saves.get_or_create(&OutcomeLabels { outcome }));
        }
        drop(self.loads.get_or_create(&OutcomeLabels { outcome: "ok" }));
        let registry = registry.sub_registry_with_prefix("snapshot");
        registry.register("saves", "Snapshots saved, by outcome", self.saves.clone());
        registry.register("loads", "Snapshots loaded at the start, by outcome", self.loads.clone());
        registry.register("entries", "Entries and absences in the last one saved", self.entries.clone());
        registry.register_with_unit("size", "Size of the last one saved", Unit::Bytes, self.bytes.clone());
        registry.register_with_unit(
            "saved_timestamp",
            "When the last one was saved, since the epoch; 0 before the first",
            Unit::Seconds,
            self.saved_at.clone(),
        );
        let loaded = registry.sub_registry_with_prefix("loaded");
        loaded.register("entries", "Entries and absences loaded at the start", self.loaded_entries.clone());
        loaded.register_with_unit(
            "size",
            "What they take in the cache",
            Unit::Bytes,
            self.loaded_bytes.clone(),
        );
        loaded.register_with_unit(
            "age",
            "How long before the start it had been saved",
            Unit::Seconds,
            self.loaded_age.clone(),
        );
    }

    pub(crate) fn saved(&self, entries: u64, bytes: u64, at: UnixMillis) {
        self.saves.get_or_create(&OutcomeLabels { outcome: "ok" }).inc();
        set(&self.entries, entries);
        set(&self.bytes, bytes);
        set(&self.saved_at, at.seconds());
    }

    pub(crate) fn save_failed(&self) {
        self.saves.get_or_create(&OutcomeLabels { outcome: "failed" }).inc();
    }

    pub(crate) fn loaded(&self, entries: u64, bytes: u64, age: Duration) {
        self.loads.get_or_create(&OutcomeLabels { outcome: "ok" }).inc();
        set(&self.loaded_entries, entries);
        set(&self.loaded_bytes, bytes);
        set(&self.loaded_age, age.as_secs());
    }

    pub(crate) fn load_ended(&self, outcome: &'static str) {
        self.loads.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}
