//! What the admin listener says: what the process waits for, and its metrics.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use nearkv::http::server::Admin;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::Follower,
    metrics::{Metrics, Sample},
};
use nearkv_origin::Origin;

/// Most KvNamespaces that `/readyz` names.
const NAMED: usize = 5;

/// The state of the process, for probes.
pub(super) struct Status {
    pub(super) origin: Arc<Origin>,
    pub(super) followers: Vec<Follower>,
    pub(super) leading: watch::Receiver<bool>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) draining: CancellationToken,
    /// Whether everything was in memory once: a KvNamespace that comes later makes no process unready.
    pub(super) was_ready: AtomicBool,
}

impl Admin for Status {
    fn waits_for(&self) -> Option<String> {
        if self.draining.is_cancelled() {
            return Some("its end: shutting down".into());
        }
        if self.was_ready.load(Ordering::Relaxed) {
            return None;
        }
        if !self.followers.iter().all(|follower| *follower.listed.borrow()) {
            return Some("the list of KvNamespaces (is the CRD installed, and may they be listed?)".into());
        }
        let loading = self.origin.loading();
        if loading.is_empty() {
            self.was_ready.store(true, Ordering::Relaxed);
            return None;
        }
        let named: Vec<&str> = loading.iter().take(NAMED).map(nearkv::Namespace::as_str).collect();
        Some(format!("the data of {} KvNamespaces: {} …", loading.len(), named.join(", ")))
    }

    fn metrics(&self) -> String {
        self.metrics.encode(Sample {
            leading: *self.leading.borrow(),
            configured: self.followers.iter().map(|follower| follower.store.len()).sum(),
            loading: self.origin.loading().len(),
            clock_skew_ms: self.origin.clock_skew_ms().unwrap_or_default(),
        })
    }
}
