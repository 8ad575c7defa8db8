//! What one process's connection is: its faults, its link, its randomness, and what becomes of its next call.

use std::{collections::VecDeque, ops::Range, pin::pin, sync::atomic::AtomicBool, time::Duration};

use nearkv::Random;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::store::{
    ObjectName,
    simulated::{Action, Counters, Fate, Faults, Link, Partition, Way, World},
};

/// What the tasks of one process, its requests and its watches share.
pub(super) struct Process {
    pub(super) world: World,
    /// Its place in the order of entering the world.
    pub(super) number: u64,
    pub(super) random: Random,
    pub(super) faults: Mutex<Faults>,
    pub(super) orders: Mutex<VecDeque<(Action, Fate)>>,
    pub(super) link: Mutex<Link>,
    /// Wakes in the order of waiting, as a watch channel does not: a seed must tell one history.
    pub(super) link_changed: Notify,
    pub(super) partition: Mutex<Option<Partition>>,
    /// Whether an answer has shown the store's time.
    pub(super) time_is_known: AtomicBool,
    pub(super) counters: Mutex<Counters>,
}

impl Process {
    pub(super) async fn until_not(&self, link: Link) {
        loop {
            let mut changed = pin!(self.link_changed.notified());
            changed.as_mut().enable();
            if self.link() != link {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn loses(&self, action: Action, way: Way) -> bool {
        self.partition.lock().is_some_and(|partition| partition.loses(action, way))
    }

    /// Waits while a partition silences the watch.
    pub(super) async fn until_heard(&self) {
        loop {
            let mut changed = pin!(self.link_changed.notified());
            changed.as_mut().enable();
            if !self.loses(Action::Watch, Way::Back) {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn note(&self, action: Action, name: &ObjectName, what: &dyn std::fmt::Display) {
        self.world.trace().note(&format!("{} {} {name} {what}", self.number, action.as_str()));
    }

    pub(super) fn link(&self) -> Link {
        *self.link.lock()
    }

    pub(super) fn fate(&self, action: Action) -> Fate {
        let mut orders = self.orders.lock();
        if let Some(first) = orders.iter().position(|(ordered, _)| *ordered == action)
            && let Some((_, fate)) = orders.remove(first)
        {
            return fate;
        }
        let faults = self.faults.lock();
        faults.fate(action, self.random.below(1000), self.random.jitter(faults.longest_late))
    }

    pub(super) fn latency(&self) -> Duration {
        let Range { start, end } = self.faults.lock().latency.clone();
        start + self.random.jitter(end.saturating_sub(start))
    }
}
