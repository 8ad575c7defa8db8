//! Kinds of histories that chance alone would tell too rarely: a bug that needs several things at once is found only if they
//! come together in many of CI's histories (`docs/decisions/0002-planted-bugs.md`). Pure.

use std::time::Duration;

use nearkv::Random;
use nearkv_origin::store::simulated::Faults;

use crate::plan::{LARGEST_BULK, Plan, between};

/// Of so many histories one has a large KvNamespace: it takes a hundred times as long to tell as another.
const KINDS: u64 = 40;

impl Plan {
    /// This plan, or what one of the kinds makes of it.
    pub(crate) fn of_some_kind(self, random: &Random) -> Self {
        match random.below(KINDS) {
            0 => self.large(random),
            1..=4 => self.peaceful(random),
            5..=7 => self.short_lived(),
            8..=12 => self.sluggish(random),
            13..=15 => self.reborn(random),
            16..=18 => self.declared(random),
            _ => self,
        }
    }

    /// Swaps that take longer than the grace, by writers that wait for them, on a root that is seldom touched: what they
    /// name is as old as may be, or older.
    fn sluggish(self, random: &Random) -> Self {
        let grace = Duration::from_secs(8);
        Self {
            clients: 2,
            operations: between(random, 12, 25) as usize,
            pause: grace * 3,
            grace,
            write_deadline: grace * 4,
            faults: Faults {
                throttled: self.faults.throttled.max(1),
                late: 0,
                contended: 0,
                deadline: grace * 4,
                ..self.faults
            },
            strokes: Some(grace * 2),
            people: 0,
            long_swaps: true,
            damage: false,
            rebirths: false,
            medium_values: 900,
            long_values: 300,
            bulks: 38,
            bulk: 20,
            ..self
        }
    }

    /// A KvNamespace that is deleted and created again over and over, with the same data, while writes are in flight.
    fn reborn(self, random: &Random) -> Self {
        let latency = Duration::from_micros(200)..Duration::from_millis(between(random, 40, 300));
        let watch_delay = Duration::from_millis(between(random, 300, 2000));
        Self {
            clients: between(random, 4, 6) as usize,
            operations: between(random, 60, 90) as usize,
            namespaces: 1,
            pause: Duration::from_millis(200),
            faults: Faults { latency, watch_delay, ..self.faults },
            tight_budget: false,
            tight_pace: false,
            strokes: Some(Duration::from_secs(4)),
            people: 80,
            changes: false,
            damage: false,
            rebirths: true,
            retain: true,
            ..self
        }
    }

    /// Few keys, which manifests and clients both want.
    fn declared(self, random: &Random) -> Self {
        let keys = between(random, 3, 8);
        Self {
            keys,
            near: keys,
            most_keys: self.most_keys.max(keys),
            operations: between(random, 40, 80) as usize,
            pause: Duration::from_millis(200),
            tight_budget: false,
            tight_pace: false,
            strokes: Some(Duration::from_secs(3)),
            people: 80,
            declares: true,
            damage: false,
            rebirths: false,
            ..self
        }
    }

    /// Values that would not fit into the budget if they did not end soon.
    fn short_lived(self) -> Self {
        Self { short_lives: true, tight_budget: true, long_values: 500, ..self }
    }

    /// Nothing goes wrong, so that every error and every delay is a fault of the engine.
    fn peaceful(self, random: &Random) -> Self {
        let latency = Duration::from_micros(200)..Duration::from_millis(between(random, 1, 40));
        let watch_delay = Duration::from_millis(random.below(300));
        Self {
            peaceful: true,
            faults: Faults { latency, watch_delay, ..Faults::NONE },
            tight_budget: false,
            tight_pace: false,
            damage: false,
            rebirths: false,
            people: 100,
            skews: false,
            ..self
        }
    }

    /// So many data, and a store so slow, that the pages of a checkpoint take longer than a quarter of the grace: they are
    /// named in stages.
    fn large(self, random: &Random) -> Self {
        let between = |low, high| between(random, low, high);
        let slow = Duration::from_millis(between(200, 500));
        Self {
            operations: between(100, 200) as usize,
            keys: between(300, 500),
            near: 40,
            namespaces: 1,
            most_keys: 1000,
            most_bytes: 1 << 30,
            tight_budget: false,
            tight_pace: false,
            pause: Duration::from_millis(1500),
            grace: Duration::from_secs(between(20, 30)),
            write_deadline: Duration::from_secs(15),
            faults: Faults { latency: slow..slow * 4, deadline: slow * 20, ..self.faults },
            strokes: self.strokes.map(|pause| pause.max(Duration::from_secs(20))),
            medium_values: 900,
            bulks: 30,
            bulk: LARGEST_BULK,
            ..self
        }
    }
}
