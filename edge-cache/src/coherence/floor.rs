//! Newer wins: an answer of upstream below its key's floor is not cached. A write through this edge raises the floor,
//! which is outside the cache, so that eviction cannot lower it.
//!
//! A floor must not be dropped after some time: behind a tier of several edges, a sibling may cache what was true before
//! the write for as long as its readers' `cache_ttl` says. So a full table is not emptied but folded: the KvNamespace's
//! own floor rises to the highest of its keys'. That is always correct, and costs keys that were not written at most one
//! request past an upstream cache.

use std::collections::HashMap;

use nearkv::Version;

use super::{CacheKey, Incarnations};
use crate::settings::FLOORS_PER_STRIPE;

/// The order in which this edge sends requests and gets answers to writes. An instant is not enough: two events of one
/// instant have an order too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// What an answer must show to be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    /// At least this version. Another incarnation cannot be compared, and is accepted.
    pub(crate) version: Option<Version>,
    /// A request sent after this: a write with an unknown outcome may have been committed until then.
    pub(crate) after: Option<Ticket>,
}

impl Floor {
    /// A write was acknowledged with this version.
    pub(crate) fn written(version: Version) -> Self {
        Self { version: Some(version), after: None }
    }

    /// A write ended at this moment with an unknown outcome.
    pub(crate) fn unknown_outcome(now: Ticket) -> Self {
        Self { version: None, after: Some(now) }
    }

    /// Raises this floor by another. Of two incarnations the other's counts: it was first seen later.
    pub(crate) fn raise(&mut self, other: Self) {
        if let Some(version) = other.version
            && !self.version.is_some_and(|own| own >= version)
        {
            self.version = Some(version);
        }
        self.after = self.after.max(other.after);
    }

    /// Whether an answer that shows `version`, to the request `sent`, is accepted.
    pub(crate) fn admits(&self, version: Version, sent: Ticket) -> bool {
        let new_enough = !self.version.is_some_and(|own| version < own);
        let late_enough = self.after.is_none_or(|after| sent > after);
        new_enough && late_enough
    }
}

/// The floors of one stripe's entries, bounded.
#[derive(Debug, Default)]
pub(crate) struct Floors(HashMap<CacheKey, Floor>);

impl Floors {
    /// The floor of the entry alone, without its KvNamespace's.
    pub(crate) fn get(&self, cache_key: &CacheKey) -> Floor {
        self.0.get(cache_key).copied().unwrap_or_default()
    }

    /// Raises the floor of an entry. A full table is first folded into the floors of the KvNamespaces.
    pub(crate) fn raise(&mut self, cache_key: &CacheKey, by: Floor, incarnations: &Incarnations) {
        if let Some(floor) = self.0.get_mut(cache_key) {
            floor.raise(by);
            return;
        }
        if self.0.len() >= FLOORS_PER_STRIPE {
            for (cache_key, floor) in self.0.drain() {
                if let Some(incarnation) = incarnations.current(cache_key.namespace()) {
                    incarnation.raise_base(floor);
                }
            }
        }
        self.0.insert(cache_key.clone(), by);
    }
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Key, Namespace, Random};

    use super::*;

    fn version(incarnation: u64, number: u64) -> Version {
        Version::new(Incarnation::mint(&Random::seeded(incarnation)), number)
    }

    #[test]
    fn an_answer_is_accepted_from_its_floor_on() {
        let floor = |version, after: Option<u64>| Floor { version, after: after.map(Ticket) };
        let ten = Some(version(1, 10));
        for (floor, answer, sent, accepted) in [
            (floor(None, None), version(1, 0), 0, true),
            (floor(ten, None), version(1, 9), 9, false),
            (floor(ten, None), version(1, 10), 9, true),
            (floor(ten, None), version(2, 3), 9, true), // another incarnation: nothing old is compared
            (floor(None, Some(5)), version(1, 9), 5, false),
            (floor(None, Some(5)), version(1, 9), 6, true),
            (floor(ten, Some(5)), version(1, 9), 6, false),
            (floor(ten, Some(5)), version(1, 10), 4, false),
        ] {
            assert_eq!(floor.admits(answer, Ticket(sent)), accepted, "{floor:?} {answer} {sent}");
        }
    }

    #[test]
    fn a_floor_only_rises_within_an_incarnation() {
        let mut floor = Floor::written(version(1, 10));
        floor.raise(Floor::written(version(1, 9)));
        assert_eq!(floor.version, Some(version(1, 10)));
        floor.raise(Floor::unknown_outcome(Ticket(3)));
        floor.raise(Floor::unknown_outcome(Ticket(2)));
        assert_eq!(floor, Floor { version: Some(version(1, 10)), after: Some(Ticket(3)) });
        floor.raise(Floor::written(version(2, 1)));
        assert_eq!(floor.version, Some(version(2, 1)));
    }

    #[test]
    fn a_full_table_is_folded_into_the_namespaces_floor_and_stays_bounded() {
        let (incarnations, mut floors) = (Incarnations::default(), Floors::default());
        let namespace: Namespace = "a/b".parse().unwrap();
        let incarnation = incarnations.admit(&namespace, version(1, 0).incarnation, Ticket(0)).unwrap();
        let cache_key = |n: usize| CacheKey::entry(&namespace, &Key::new(&format!("k{n}")).unwrap());
        for n in 0..=FLOORS_PER_STRIPE {
            floors.raise(&cache_key(n), Floor::written(version(1, n as u64 + 1)), &incarnations);
        }
        assert_eq!(floors.0.len(), 1);
        assert_eq!(floors.get(&cache_key(0)), Floor::default());
        let base = incarnation.base();
        assert!(!base.admits(version(1, FLOORS_PER_STRIPE as u64 - 1), Ticket(0)));
        assert!(base.admits(version(1, FLOORS_PER_STRIPE as u64), Ticket(0)));
    }
}
