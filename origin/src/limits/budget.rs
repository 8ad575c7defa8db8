//! The budget: how many bytes and objects the store may hold for all KvNamespaces together, garbage included.
//! Charged before every write to the store, counted anew from the inventory of all parts (design §6 invariant 8).

use std::collections::{BTreeMap, HashMap};

use nearkv::{Error, Namespace, Reason};
use parking_lot::Mutex;

use crate::{
    format::{LABEL_BYTES, ROOT_BYTES},
    store::Meta,
};

/// Most bytes: etcd's default quota is 2 GiB, of which revisions of the last minutes take their part.
pub const BUDGET_BYTES: u64 = 256 * 1024 * 1024;
/// Most objects: a watch cache and every list hold all of them.
pub const BUDGET_OBJECTS: u64 = 20_000;

/// What makes room may take the budget so many times: the pages of a checkpoint exist before the log that they replace goes,
/// and a budget that is full of log could not be emptied otherwise. Twice the default budget and the revisions of ten
/// minutes are 1.2 GiB, which fit into etcd's 2 GiB.
const RELIEF_TIMES: u64 = 2;

/// What is there and what may be, physical bytes with garbage. Shared by all KvNamespaces.
#[derive(Debug)]
pub(crate) struct Budget {
    most: Usage,
    accounts: Mutex<HashMap<Namespace, Account>>,
}

/// What is reckoned for a KvNamespace.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// With garbage.
    used: Usage,
    /// What was charged since this process reckons for it.
    charged: Usage,
    /// What the root reached when the collector last looked.
    reached: Usage,
}

/// What something is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A write of a client: up to the budget.
    Write,
    /// Upkeep, or a commit of nothing but deletions: in the end it frees more than it takes. Up to twice the budget.
    Relief,
}

/// How much of the budget is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Half of it.
    Ample,
    /// Less than half.
    Short,
    /// Less than a quarter, and not even when all garbage is collected: what is left to make some is a checkpoint.
    Scarce,
}

/// An amount of storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Content, in bytes.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

impl Usage {
    /// What these objects take. One without our label, which only a stranger makes, counts as a large root.
    #[must_use]
    pub(crate) fn of<'a>(objects: impl IntoIterator<Item = &'a Meta>) -> Self {
        let size = |meta: &Meta| {
            meta.labels.get(LABEL_BYTES).and_then(|bytes| bytes.parse().ok()).unwrap_or(ROOT_BYTES as u64)
        };
        let one = |meta: &Meta| Self { bytes: size(meta), objects: 1 };
        objects.into_iter().map(one).fold(Self::default(), Self::plus)
    }

    /// Whether it is more than a share of `most`, by bytes or by objects.
    fn exceeds(self, most: Self, (share, of): (u64, u64)) -> bool {
        let exceeds = |amount: u64, most: u64| {
            u128::from(amount) * u128::from(of) > u128::from(most) * u128::from(share)
        };
        exceeds(self.bytes, most.bytes) || exceeds(self.objects, most.objects)
    }

    fn minus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            objects: self.objects.saturating_sub(other.objects),
        }
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
    pub(crate) fn new(bytes: u64, objects: u64) -> Self {
        Self { most: Usage { bytes, objects }, accounts: Mutex::default() }
    }

    /// Takes what a write is about to add.
    ///
    /// # Errors
    /// `budget-exceeded` (413) if it does not fit; then nothing is taken.
    pub(crate) fn charge(
        &self,
        namespace: &Namespace,
        purpose: Purpose,
        bytes: u64,
        objects: u64,
    ) -> Result<(), Error> {
        let added = Usage { bytes, objects };
        let mut accounts = self.accounts.lock();
        let total = accounts.values().fold(added, |total, account| total.plus(account.used));
        let most = self.most_for(purpose);
        if total.bytes > most.bytes || total.objects > most.objects {
            let Usage { bytes, objects } = self.most;
            return Err(Error::new(
                Reason::BudgetExceeded,
                format!(
                    "The cluster's budget for all KvNamespaces ({bytes} bytes, {objects} objects, with garbage not yet collected) is used up"
                ),
            ));
        }
        let account = accounts.entry(namespace.clone()).or_default();
        account.used = account.used.plus(added);
        account.charged = account.charged.plus(added);
        Ok(())
    }

    /// Gives back what was deleted.
    pub(crate) fn release(&self, namespace: &Namespace, bytes: u64, objects: u64) {
        if let Some(Account { used, .. }) = self.accounts.lock().get_mut(namespace) {
            *used = used.minus(Usage { bytes, objects });
        }
    }

    /// What was charged so far, in all, to each KvNamespace that something is reckoned for. For a later
    /// [`Budget::recount`].
    pub(crate) fn charges(&self) -> BTreeMap<Namespace, Usage> {
        let accounts = self.accounts.lock();
        accounts.iter().map(|(namespace, account)| (namespace.clone(), account.charged)).collect()
    }

    /// Replaces what was reckoned for a KvNamespace by what a list has shown, and what was charged since it was asked for,
    /// when it was `charged`: the list may have been made before that was written.
    pub(crate) fn recount(&self, namespace: &Namespace, usage: Usage, charged: Usage) {
        let mut accounts = self.accounts.lock();
        let account = accounts.entry(namespace.clone()).or_default();
        account.used = usage.plus(account.charged.minus(charged));
    }

    /// Notes how much of what a list has shown is no garbage.
    pub(crate) fn reached(&self, namespace: &Namespace, usage: Usage) {
        self.accounts.lock().entry(namespace.clone()).or_default().reached = usage;
    }

    /// Drops a KvNamespace of which nothing is left.
    pub(crate) fn forget_if_unused(&self, namespace: &Namespace) {
        let mut accounts = self.accounts.lock();
        if accounts.get(namespace).is_some_and(|account| account.used == Usage::default()) {
            accounts.remove(namespace);
        }
    }

    /// What all of them take, as far as it is known.
    pub(crate) fn total(&self) -> Usage {
        self.accounts.lock().values().fold(Usage::default(), |total, account| total.plus(account.used))
    }

    /// How much is left.
    pub(crate) fn room(&self) -> Room {
        let reached = self
            .accounts
            .lock()
            .values()
            .fold(Usage::default(), |total, account| total.plus(account.reached));
        if reached.exceeds(self.most, (3, 4)) {
            Room::Scarce
        } else if self.total().exceeds(self.most, (1, 2)) {
            Room::Short
        } else {
            Room::Ample
        }
    }

    /// Whether upkeep may take this now.
    pub(crate) fn has_room_for(&self, bytes: u64, objects: u64) -> bool {
        let (total, most) = (self.total().plus(Usage { bytes, objects }), self.most_for(Purpose::Relief));
        total.bytes <= most.bytes && total.objects <= most.objects
    }

    fn most_for(&self, purpose: Purpose) -> Usage {
        let Usage { bytes, objects } = self.most;
        match purpose {
            Purpose::Write => self.most,
            Purpose::Relief => Usage {
                bytes: bytes.saturating_mul(RELIEF_TIMES),
                objects: objects.saturating_mul(RELIEF_TIMES),
            },
        }
    }

    /// What they may take.
    pub(crate) fn most(&self) -> Usage {
        self.most
    }

    /// What a KvNamespace takes, as far as it is known.
    #[cfg(test)]
    pub(crate) fn used(&self, namespace: &Namespace) -> Usage {
        self.accounts.lock().get(namespace).map(|account| account.used).unwrap_or_default()
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
        let charge = |namespace, bytes, objects| budget.charge(namespace, Purpose::Write, bytes, objects);
        charge(&a, 60, 1).unwrap();
        let error = charge(&b, 41, 1).unwrap_err();
        assert_eq!(error.reason(), Reason::BudgetExceeded);
        charge(&b, 40, 1).unwrap();
        assert!(charge(&b, 1, 0).is_err());
        budget.release(&a, 60, 1);
        charge(&b, 0, 2).unwrap();
        assert!(charge(&a, 0, 1).is_err(), "objects count too");
        budget.recount(&b, Usage { bytes: 0, objects: 1 }, budget.charges()[&b]);
        charge(&a, 100, 2).unwrap();
    }

    #[test]
    fn what_makes_room_may_take_as_much_again() {
        let budget = Budget::new(80, 8);
        let a = "a/a".parse().unwrap();
        budget.charge(&a, Purpose::Write, 80, 1).unwrap();
        assert!(budget.charge(&a, Purpose::Write, 1, 0).is_err());
        assert!(budget.has_room_for(80, 15) && !budget.has_room_for(81, 0) && !budget.has_room_for(0, 16));
        assert!(budget.charge(&a, Purpose::Relief, 81, 0).is_err());
        budget.charge(&a, Purpose::Relief, 80, 15).unwrap();
    }

    #[test]
    fn room_is_short_by_what_is_used_and_scarce_by_what_is_no_garbage() {
        let budget = Budget::new(100, 4);
        let (a, b) = ("a/a".parse().unwrap(), "a/b".parse().unwrap());
        let of = |bytes, objects| Usage { bytes, objects };
        for (used, reached, room) in [
            (of(50, 2), of(50, 2), Room::Ample),
            (of(51, 0), of(51, 0), Room::Short),
            (of(0, 3), of(0, 3), Room::Short),
            (of(100, 4), of(75, 3), Room::Short),
            (of(100, 4), of(76, 3), Room::Scarce),
            (of(100, 4), of(75, 4), Room::Scarce),
        ] {
            budget.recount(&a, used, Usage::default());
            budget.reached(&a, reached);
            assert_eq!(budget.room(), room, "{used:?}, of which {reached:?} is reached");
        }
        budget.reached(&a, of(70, 1));
        budget.reached(&b, of(6, 1));
        assert_eq!(budget.room(), Room::Scarce, "all KvNamespaces together");
    }
}
