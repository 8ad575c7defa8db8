//! The clock of the engine: the store's time where it has one. Expiry is a property of the data, and all replicas share
//! the store's clock, so a machine whose own clock is wrong must not judge by it.

use std::{sync::Arc, time::Duration};

use nearkv::{Clock, UnixMillis};

use crate::store::ObjectStore;

/// Shows the time of a store, and this machine's where the store has none or has not answered yet.
pub(crate) struct StoreClock {
    machine: Arc<dyn Clock>,
    store: Arc<dyn ObjectStore>,
}

impl StoreClock {
    pub(crate) fn new(machine: Arc<dyn Clock>, store: Arc<dyn ObjectStore>) -> Self {
        Self { machine, store }
    }

    /// How far the machine's clock is ahead of the store's (behind, if negative), in milliseconds.
    pub(crate) fn skew_ms(&self) -> Option<i64> {
        let (machine, store) = (self.machine.now(), self.store.time()?);
        Some(machine.0.cast_signed().saturating_sub(store.0.cast_signed()))
    }
}

impl Clock for StoreClock {
    fn now(&self) -> UnixMillis {
        self.store.time().unwrap_or_else(|| self.machine.now())
    }

    fn steady(&self) -> Duration {
        self.machine.steady()
    }
}
