//! Parts that somebody doubts: upkeep has met them lost or altered, or another replica says that it misses them. The audit
//! looks at them, and writes again what memory holds (`upkeep/audit.rs`).

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::ObjectName;

/// Those of one KvNamespace.
#[derive(Debug, Default)]
pub(crate) struct Doubted {
    names: Mutex<HashSet<ObjectName>>,
    /// Another replica misses something, and this one may still have it: sooner than the next round.
    pub(crate) elsewhere: Notify,
}

impl Doubted {
    /// Has the next round of the audit look at it.
    pub(crate) fn add(&self, name: ObjectName) {
        self.names.lock().insert(name);
    }

    /// Another replica misses it.
    pub(crate) fn is_missed_elsewhere(&self, name: ObjectName) {
        self.add(name);
        self.elsewhere.notify_one();
    }

    /// Takes what there is to look at.
    pub(crate) fn take(&self) -> HashSet<ObjectName> {
        std::mem::take(&mut *self.names.lock())
    }
}
