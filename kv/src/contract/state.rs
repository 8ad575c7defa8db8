//! The [`State`] of an answer: which version of a KvNamespace it shows, how old that is, by which clock, how long it
//! may be used, and how it was served. Every answer carries one, and [`State::combine`] makes one of two.

use std::time::Duration;

use crate::{UnixMillis, Version};

/// Which state of a KvNamespace an answer shows, and how current that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The state of the KvNamespace at which the answer is true (`Nearkv-Version`).
    pub version: Version,
    /// How long ago this was last known to be the newest state (`Age`, `Nearkv-Age`).
    pub age: Duration,
    /// The clock that judges expirations, at the moment of the answer (`Nearkv-Time`): the origin's, carried
    /// forward by caches in elapsed time, so that clocks may differ.
    pub time: UnixMillis,
    /// How long the answer may be used.
    pub freshness: Freshness,
    /// How the answer was served.
    pub served: Served,
}

impl State {
    /// The state of one answer that is made of two, for instance of a bulk get that asks for each key alone. It is
    /// true for both parts:
    ///
    /// - `version` is the older one. Versions of two incarnations have no order; then it is the version of the part
    ///   that was last known to be the newest state at the earlier time (`time - age`).
    /// - `time` is the later one. The answer leaves at that time or after it. The earlier time would let the next
    ///   reader serve an entry that expired between the two. Each part's clock has already shown its time, so the
    ///   later one is ahead of the origin's clock by no more than that part alone.
    /// - `age` is the greater one, after the earlier part has aged up to `time`.
    /// - `freshness` takes the shorter bounds, `served` the part that took more to get.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        let time = self.time.max(other.time);
        let aged = |part: &Self| part.age + time.since(part.time);
        let is_older = match self.version.partial_cmp(&other.version) {
            Some(order) => order.is_le(),
            None => aged(&self) >= aged(&other),
        };
        Self {
            version: if is_older { self.version } else { other.version },
            age: aged(&self).max(aged(&other)),
            time,
            freshness: self.freshness.combine(other.freshness),
            served: self.served.combine(other.served),
        }
    }
}

/// `Cache-Control` of an answer, computed by the origin from `spec.cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// How old the answer may become before it has to be checked. For an absence, the lower of
    /// `ttlSeconds` and `negativeTtlSeconds`.
    pub max_age: Duration,
    /// How long past `max_age` it may be served while the origin cannot be asked (RFC 5861 §4).
    pub stale_if_error: Duration,
}

impl Freshness {
    fn combine(self, other: Self) -> Self {
        Self {
            max_age: self.max_age.min(other.max_age),
            stale_if_error: self.stale_if_error.min(other.stale_if_error),
        }
    }
}

/// How an answer was served (`CF-Cache-Status`, `Cache-Status` of RFC 9211).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The cache's part in it.
    pub status: CacheStatus,
    /// Whether this request shared the fetch of another (RFC 9211 §2.7).
    pub collapsed: bool,
}

impl Served {
    fn combine(self, other: Self) -> Self {
        Self { status: self.status.farther(other.status), collapsed: self.collapsed || other.collapsed }
    }
}

impl From<CacheStatus> for Served {
    fn from(status: CacheStatus) -> Self {
        Self { status, collapsed: false }
    }
}

/// The word in `CF-Cache-Status`, in logs and in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    /// From memory, fresh.
    Hit,
    /// Not in memory; from upstream. What an origin answers itself is a miss to every cache before it.
    Miss,
    /// In memory past its time; a new one came from upstream.
    Expired,
    /// In memory past its time, and upstream could not be asked in time.
    Stale,
    /// In memory past its time; upstream confirmed it.
    Revalidated,
    /// From memory, while a refresh goes on in the background.
    Updating,
}

impl CacheStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Hit, Self::Miss, Self::Expired, Self::Stale, Self::Revalidated, Self::Updating];

    /// The status that is farther from a plain hit: it stands for an answer made of both.
    fn farther(self, other: Self) -> Self {
        let distance = |status| match status {
            Self::Hit => 0,
            Self::Updating => 1,
            Self::Revalidated => 2,
            Self::Expired => 3,
            Self::Miss => 4,
            Self::Stale => 5,
        };
        if distance(other) > distance(self) { other } else { self }
    }

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Expired => "EXPIRED",
            Self::Stale => "STALE",
            Self::Revalidated => "REVALIDATED",
            Self::Updating => "UPDATING",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expiration, Incarnation, Random};

    const START: u64 = 1_800_000_000;

    fn version(incarnation: u64, number: u64) -> Version {
        Version::new(Incarnation::mint(&Random::seeded(incarnation)), number)
    }

    /// A hit at version 1.`number`, `age` seconds old, answered `at` seconds after the start.
    fn state(number: u64, age: u64, at: u64) -> State {
        State {
            version: version(1, number),
            age: Duration::from_secs(age),
            time: UnixMillis((START + at) * 1000),
            freshness: Freshness {
                max_age: Duration::from_secs(60),
                stale_if_error: Duration::from_secs(600),
            },
            served: CacheStatus::Hit.into(),
        }
    }

    /// Both orders must give the same state.
    fn combined(a: State, b: State) -> State {
        let (forth, back) = (a.combine(b), b.combine(a));
        assert_eq!(forth, back);
        forth
    }

    /// t0 a get of key a is answered: its entry expires at t3. t5 a get of key b is answered. The bulk answer of both
    /// leaves at t5. A reader that takes t0 for the time of that answer would serve a's entry for 3 s more.
    #[test]
    fn an_entry_that_expired_between_two_answers_has_expired_by_the_time_of_both() {
        let expiration = Expiration(START + 3);
        let (first, second) = (state(10, 0, 0), state(10, 0, 5));
        assert!(!expiration.has_passed(first.time));
        let both = combined(first, second);
        assert!(expiration.has_passed(both.time));
        assert_eq!(both.time, second.time, "no later than one of the answers says");
    }

    /// t0 a hit of version 9 is 10 s old. t5 a fetched entry of version 12 is new. At t5 the hit is 15 s old.
    #[test]
    fn two_answers_together_have_the_older_version_and_the_age_of_the_older_part_at_the_later_time() {
        let both = combined(state(9, 10, 0), state(12, 0, 5));
        assert_eq!((both.version, both.age), (version(1, 9), Duration::from_secs(15)));
        let both = combined(state(9, 0, 5), state(12, 10, 0));
        assert_eq!((both.version, both.age), (version(1, 9), Duration::from_secs(15)));
    }

    /// The hit at t6 was known to be the newest state at t1; the answer of t5 is of the restored data. Only the earlier
    /// incarnation may name the whole: a reader who finds the new one there would believe the old entry to be restored.
    #[test]
    fn of_two_incarnations_the_one_that_was_current_earlier_names_the_whole() {
        let old = state(40, 5, 6);
        let restored = State { version: version(2, 1), ..state(0, 0, 5) };
        assert_eq!(combined(old, restored).version, old.version);
    }

    #[test]
    fn two_answers_together_are_fresh_for_the_shorter_time_and_served_the_farther_way() {
        let short = Duration::from_secs(1);
        let stale = State {
            freshness: Freshness { max_age: short, stale_if_error: Duration::from_secs(6000) },
            served: CacheStatus::Stale.into(),
            ..state(1, 0, 0)
        };
        let collapsed =
            State { served: Served { status: CacheStatus::Miss, collapsed: true }, ..state(1, 0, 0) };
        let both = combined(stale, collapsed);
        assert_eq!(both.freshness, Freshness { max_age: short, stale_if_error: Duration::from_secs(600) });
        assert_eq!(both.served, Served { status: CacheStatus::Stale, collapsed: true });
    }
}
