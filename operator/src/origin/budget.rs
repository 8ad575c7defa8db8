//! The budget: how many bytes and objects the store may hold for all KvNamespaces together, garbage included.
//! Charged before every write to the store, counted anew from the collector's lists (design §6 invariant 8).

use std::collections::HashMap;

use nearkv::{Error, Namespace, Reason};
use parking_lot::Mutex;

use super::format::{LABEL_BYTES, ROOT_BYTES};
use crate::store::Meta;

/// Most bytes: etcd's default quota is 2 GiB, of which revisions of the last minutes take their part.
pub const BUDGET_BYTES: u64 = 256 * 1024 * 1024;
/// Most objects: a watch cache and every list hold all of them.
pub const BUDGET_OBJECTS: u64 = 20_000;

/// What is there and what may be, physical bytes with garbage. Shared by all KvNamespaces.
#[derive(Debug)]
pub(super) struct Budget {
    most: Usage,
    used: Mutex<HashMap<Namespace, Usage>>,
}

/// An amount of storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Content, in bytes.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

impl Usage {
    /// What these objects take. One without our label, which only a stranger makes, counts as a large root.
    #[must_use]
    pub(super) fn of(objects: &[Meta]) -> Self {
        let size = |meta: &Meta| {
            meta.labels.get(LABEL_BYTES).and_then(|bytes| bytes.parse().ok()).unwrap_or(ROOT_BYTES as u64)
        };
        Self { bytes: objects.iter().map(size).sum(), objects: objects.len() as u64 }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            objects: self.objects.saturating_add(other.objects),
        }
    }
}

impl Budget {
    /// With these limits.
    #[must_use]
    pub(super) fn new(bytes: u64, objects: u64) -> Self {
        Self { most: Usage { bytes, objects }, used: Mutex::default() }
    }

    /// Takes what a write is about to add.
    ///
    /// # Errors
    /// `budget-exceeded` (413) if it does not fit; then nothing is taken.
    pub(super) fn charge(&self, namespace: &Namespace, bytes: u64, objects: u64) -> Result<(), Error> {
        let added = Usage { bytes, objects };
        let mut used = self.used.lock();
        let total = used.values().fold(added, |total, usage| total.plus(*usage));
        if total.bytes > self.most.bytes || total.objects > self.most.objects {
            let Usage { bytes, objects } = self.most;
            return Err(Error::new(
                Reason::BudgetExceeded,
                format!(
                    "The cluster's budget for all KvNamespaces ({bytes} bytes, {objects} objects, with garbage not yet collected) is used up"
                ),
            ));
        }
        let usage = used.entry(namespace.clone()).or_default();
        *usage = usage.plus(added);
        Ok(())
    }

    /// Gives back what was deleted.
    pub(super) fn release(&self, namespace: &Namespace, bytes: u64, objects: u64) {
        if let Some(usage) = self.used.lock().get_mut(namespace) {
            usage.bytes = usage.bytes.saturating_sub(bytes);
            usage.objects = usage.objects.saturating_sub(objects);
        }
    }

    /// Replaces what was reckoned for a KvNamespace by what a list has shown.
    pub(super) fn recount(&self, namespace: &Namespace, usage: Usage) {
        self.used.lock().insert(namespace.clone(), usage);
    }

    /// Drops a KvNamespace whose objects go with it.
    pub(super) fn forget(&self, namespace: &Namespace) {
        self.used.lock().remove(namespace);
    }

    /// What all of them take, as far as it is known.
    pub(super) fn total(&self) -> Usage {
        self.used.lock().values().fold(Usage::default(), |total, usage| total.plus(*usage))
    }

    /// Whether more than half of it is used.
    pub(super) fn is_short(&self) -> bool {
        let Usage { bytes, objects } = self.total();
        bytes > self.most.bytes / 2 || objects > self.most.objects / 2
    }

    /// What they may take.
    pub(super) fn most(&self) -> Usage {
        self.most
    }

    /// What a KvNamespace takes, as far as it is known.
    #[cfg(test)]
    pub(super) fn used(&self, namespace: &Namespace) -> Usage {
        self.used.lock().get(namespace).copied().unwrap_or_default()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(BUDGET_BYTES, BUDGET_OBJECTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_one_for_all_and_a_refusal_takes_nothing() {
        let budget = Budget::new(100, 3);
        let (a, b) = ("a/a".parse().unwrap(), "a/b".parse().unwrap());
        budget.charge(&a, 60, 1).unwrap();
        let error = budget.charge(&b, 41, 1).unwrap_err();
        assert_eq!(error.reason(), Reason::BudgetExceeded);
        assert!(budget.is_short(), "60 of 100 bytes");
        budget.charge(&b, 40, 1).unwrap();
        assert!(budget.charge(&b, 1, 0).is_err());
        budget.release(&a, 60, 1);
        budget.charge(&b, 0, 2).unwrap();
        assert!(budget.charge(&a, 0, 1).is_err(), "objects count too");
        budget.recount(&b, Usage { bytes: 0, objects: 2 });
        assert!(budget.is_short(), "2 of 3 objects");
        budget.recount(&b, Usage { bytes: 50, objects: 1 });
        assert!(!budget.is_short());
        budget.recount(&b, Usage { bytes: 0, objects: 1 });
        budget.charge(&a, 100, 2).unwrap();
    }
}
