//! What kind of history a seed tells: how many take part, what goes wrong, and how often.

use std::time::Duration;

use nearkv::Random;
use nearkv_origin::store::simulated::Faults;

/// Most events in a thousand after which a watch lags.
const LAGGING: u64 = 60;

/// The choices that a seed makes once.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) replicas: usize,
    pub(crate) clients: usize,
    /// Operations of each client.
    pub(crate) operations: usize,
    pub(crate) keys: u64,
    /// Among how many of them a client chooses at a time.
    pub(crate) near: u64,
    /// KvNamespaces that the clients share.
    pub(crate) namespaces: usize,
    /// Quota of keys.
    pub(crate) most_keys: u64,
    /// Quota of user bytes.
    pub(crate) most_bytes: u64,
    /// Longest pause between two operations of a client.
    pub(crate) pause: Duration,
    pub(crate) grace: Duration,
    pub(crate) write_deadline: Duration,
    pub(crate) faults: Faults,
    /// Whether nothing at all goes wrong.
    pub(crate) peaceful: bool,
    /// Whether the budget is nearly full.
    pub(crate) tight_budget: bool,
    /// Whether the pace is nearly used up.
    pub(crate) tight_pace: bool,
    /// Whether entries are declared.
    pub(crate) declares: bool,
    /// Whether quota and deletion policy change.
    pub(crate) changes: bool,
    /// Longest pause between two strokes of fate, if there are any.
    pub(crate) strokes: Option<Duration>,
    /// Strokes in a hundred that are a person's, and no process's.
    pub(crate) people: u64,
    /// Whether swaps are now and then under way for longer than the grace.
    pub(crate) long_swaps: bool,
    /// Whether hands destroy objects.
    pub(crate) damage: bool,
    /// Whether the KvNamespace is deleted and created again.
    pub(crate) rebirths: bool,
    /// Whether the data outlive it.
    pub(crate) retain: bool,
    /// Whether clocks go wrong.
    pub(crate) skews: bool,
    /// Chance in a thousand that a value is long.
    pub(crate) long_values: u64,
    /// Chance in a thousand that one which is not has some KB.
    pub(crate) medium_values: u64,
    /// Operations in a hundred that are a bulk.
    pub(crate) bulks: u64,
    /// Whether every value ends soon, and most are long.
    pub(crate) short_lives: bool,
    /// Most writes of a bulk, where it is not one of the few that have many.
    pub(crate) bulk: u64,
}

/// Both ends included.
pub(crate) fn between(random: &Random, low: u64, high: u64) -> u64 {
    low + random.below(high - low + 1)
}

/// Most writes of any bulk.
pub(crate) const LARGEST_BULK: u64 = 60;

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let random = Random::seeded(seed ^ 0x6e65_6172_6b76);
        let one_in = |n| random.below(n) == 0;
        let between = |low, high| between(&random, low, high);
        let chance = |most: u64| if one_in(3) { 0 } else { random.below(most + 1) };
        let many = Faults::MANY;
        let faults = Faults {
            contended: chance(many.contended * 4),
            throttled: chance(many.throttled * 2),
            refused: chance(many.refused),
            failed_before: chance(many.failed_before * 3),
            failed_after: chance(many.failed_after * 4),
            late: chance(many.late * 3),
            longest_late: Duration::from_millis(between(50, 40_000)),
            lost: chance(many.lost),
            latency: Duration::from_micros(200)..Duration::from_millis(between(1, 80)),
            deadline: Duration::from_millis(between(500, 10_000)),
            watch_delay: Duration::from_millis(random.below(800)),
            watch_repeated: chance(many.watch_repeated),
            watch_left_out: chance(many.watch_left_out * 2),
            watch_repair: Duration::from_millis(random.below(15_000)),
            watch_broken: chance(many.watch_broken),
            watch_lagging: chance(LAGGING),
            watch_lag: Duration::from_millis(random.below(8000)),
        };
        let keys = if one_in(3) { between(1, 3) } else { between(4, 40) };
        let plan = Self {
            seed,
            replicas: between(2, 3) as usize,
            clients: between(2, 5) as usize,
            operations: between(15, 60) as usize,
            keys,
            near: keys,
            namespaces: if one_in(4) { between(2, 3) as usize } else { 1 },
            most_keys: if one_in(4) { between(1, keys) } else { 1000 },
            most_bytes: if one_in(6) { between(2_000, 40_000) } else { 1 << 30 },
            pause: Duration::from_millis([5, 200, 1500, 4000][random.below(4) as usize]),
            grace: Duration::from_secs(between(8, 60)),
            write_deadline: Duration::from_secs(between(3, 15)),
            faults,
            peaceful: false,
            tight_budget: one_in(8),
            tight_pace: one_in(8),
            declares: one_in(3),
            changes: one_in(4),
            strokes: (!one_in(6)).then(|| Duration::from_millis(between(2_000, 40_000))),
            people: 33,
            long_swaps: false,
            damage: one_in(5),
            rebirths: one_in(4),
            retain: one_in(4),
            skews: one_in(4),
            long_values: if one_in(3) { 60 } else { 5 },
            medium_values: 500,
            short_lives: false,
            bulks: 8,
            bulk: 6,
        };
        plan.of_some_kind(&random)
    }
}
