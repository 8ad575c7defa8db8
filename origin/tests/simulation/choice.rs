//! What a client chooses for its next operation: a key, a length, a condition.

use nearkv::{Condition, Key};

use crate::{client::Client, plan::Plan};

/// The key with this number.
pub(crate) fn key(number: u64) -> Key {
    Key::new(&format!("key-{number:03}")).unwrap()
}

impl Client {
    pub(crate) fn key(&self) -> Key {
        let Plan { keys, near, .. } = self.sim.plan;
        key((self.at + self.random.below(near)) % keys)
    }

    /// A key of its own, anywhere between the others.
    pub(crate) fn token(&self) -> Key {
        let after = self.random.below(self.sim.plan.keys);
        Key::new(&format!("key-{after:03}-{}", self.sim.number())).unwrap()
    }

    pub(crate) fn length(&self) -> usize {
        let below = |most| self.random.below(most) as usize;
        match self.random.below(1000) {
            n if n < self.sim.plan.long_values => 4 * 1024 + below(300_000),
            n if n < self.sim.plan.medium_values => 1000 + below(3000),
            _ => below(40),
        }
    }

    pub(crate) fn condition(&self, key: &Key) -> Option<Condition> {
        match self.random.below(8) {
            0 => Some(Condition::Absent),
            1 => Some(Condition::Exists),
            2 => {
                let of_key: Vec<_> = self.seen.iter().rev().filter(|(seen, _)| seen == key).take(2).collect();
                (!of_key.is_empty()).then(|| Condition::Versions(of_key.iter().map(|(_, v)| *v).collect()))
            }
            _ => None,
        }
    }
}
