//! One KvNamespace in memory: its configuration, the newest snapshot of its data, and what is known about both.

use std::sync::Arc;

use arc_swap::ArcSwap;
use nearkv::{Namespace, UnixMillis};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Health, NamespaceConfig, Report};

/// A configured KvNamespace.
pub(super) struct Space {
    pub(super) namespace: Namespace,
    config: ArcSwap<NamespaceConfig>,
    health: Mutex<Health>,
    /// Cancelled when the KvNamespace is gone or has another UID.
    closed: CancellationToken,
}

impl Space {
    pub(super) fn new(config: NamespaceConfig) -> Arc<Self> {
        Arc::new(Self {
            namespace: config.namespace.clone(),
            config: ArcSwap::from_pointee(config),
            health: Mutex::new(Health::Loading),
            closed: CancellationToken::new(),
        })
    }

    /// Takes a changed configuration; `false` if it belongs to another life of the KvNamespace.
    pub(super) fn reconfigure(&self, config: &NamespaceConfig) -> bool {
        let present = self.config.load();
        if present.uid != config.uid {
            return false;
        }
        if **present != *config {
            self.config.store(Arc::new(config.clone()));
        }
        true
    }

    pub(super) fn config(&self) -> Arc<NamespaceConfig> {
        self.config.load_full()
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    pub(super) fn is_settled(&self) -> bool {
        *self.health.lock() != Health::Loading
    }

    pub(super) fn report(&self, _now: UnixMillis) -> Report {
        Report {
            health: self.health.lock().clone(),
            version: None,
            keys: 0,
            bytes: 0,
            objects: 0,
            declared: None,
            deletion_policy: None,
        }
    }
}
