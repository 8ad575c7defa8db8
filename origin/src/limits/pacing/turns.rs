//! Whose turn it is while writes wait for the pace: the two lanes share it, and within a lane the KvNamespaces do, whoever
//! waits longest first. Pure.
//!
//! A lane is a start-time fair queue (Goyal, Vin and Cheng, 1996): a write's tag is the later of the lane's time and the end
//! of the last write of its KvNamespace, and the least tag goes first. So KvNamespaces that wait with one write each go in
//! the order in which they came, and one that has many waiting has no more of the pace than another.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tokio::sync::Notify;

use crate::limits::pacing::Lane;

/// Past writes of KvNamespaces are forgotten once so many more are known than wait.
const FINISHED_KEPT: usize = 64;

/// A place in a lane: in the order in which they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    /// The lane's time, in bytes, at which it starts.
    start: u64,
    /// Of those with the same start, who came first goes first.
    number: u64,
}

#[derive(Debug)]
struct Waiter {
    who: Arc<str>,
    bytes: u64,
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Ticket, Waiter>,
    /// The start of the write that went last.
    time: u64,
    /// Where the last write of each KvNamespace ends.
    finished: HashMap<Arc<str>, u64>,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    lanes: [Queue; Lane::ALL.len()],
    numbers: u64,
    /// Bytes that each lane has taken since both wait.
    taken: [u64; Lane::ALL.len()],
}

impl Turns {
    /// Appends a write of `who`.
    pub(super) fn push(&mut self, lane: Lane, who: Arc<str>, bytes: u64, wake: Arc<Notify>) -> Ticket {
        self.numbers += 1;
        let queue = &mut self.lanes[lane as usize];
        if queue.finished.len() > queue.waiting.len() + FINISHED_KEPT {
            let time = queue.time;
            queue.finished.retain(|_, end| *end > time);
        }
        let start = queue.finished.get(&who).copied().unwrap_or_default().max(queue.time);
        queue.finished.insert(Arc::clone(&who), start + bytes);
        let ticket = Ticket { start, number: self.numbers };
        queue.waiting.insert(ticket, Waiter { who, bytes, wake });
        ticket
    }

    /// Who goes next: where both lanes wait, the one that has taken less.
    pub(super) fn next(&self) -> Option<(Lane, Ticket)> {
        let first = |lane: Lane| Some((lane, *self.lanes[lane as usize].waiting.first_key_value()?.0));
        let [commit, maintenance] = self.taken;
        match (first(Lane::Commit), first(Lane::Maintenance)) {
            (Some(_), other @ Some(_)) if maintenance < commit => other,
            (first, other) => first.or(other),
        }
    }

    /// Lets the one go whose turn it is.
    pub(super) fn go(&mut self, lane: Lane, ticket: Ticket) {
        let alone = self.lanes[lane.other() as usize].waiting.is_empty();
        let queue = &mut self.lanes[lane as usize];
        let Some(waiter) = queue.waiting.remove(&ticket) else { return };
        queue.time = queue.time.max(ticket.start);
        if alone {
            self.taken = Default::default();
        } else {
            self.taken[lane as usize] += waiter.bytes;
        }
    }

    /// Takes one out that waits no longer, and does not go.
    pub(super) fn leave(&mut self, lane: Lane, ticket: Ticket) {
        let queue = &mut self.lanes[lane as usize];
        if let Some(waiter) = queue.waiting.remove(&ticket)
            && let Some(end) = queue.finished.get_mut(&waiter.who)
        {
            *end = end.saturating_sub(waiter.bytes);
        }
    }

    /// A write was larger than its ticket said.
    pub(super) fn add(&mut self, lane: Lane, who: &str, bytes: u64) {
        if !self.lanes[lane.other() as usize].waiting.is_empty() {
            self.taken[lane as usize] += bytes;
        }
        if let Some(end) = self.lanes[lane as usize].finished.get_mut(who) {
            *end += bytes;
        }
    }

    /// How many bytes go before a ticket, or before one that came now and had nothing waiting.
    pub(super) fn ahead(&self, lane: Lane, ticket: Option<Ticket>) -> u64 {
        let queue = &self.lanes[lane as usize];
        let own = match ticket {
            Some(ticket) => queue.waiting.range(..ticket).map(|(_, waiter)| waiter.bytes).sum(),
            None => {
                let before = |(ticket, waiter): (&Ticket, &Waiter)| {
                    (ticket.start <= queue.time).then_some(waiter.bytes)
                };
                queue.waiting.iter().map_while(before).sum::<u64>()
            }
        };
        // While both lanes wait, the other goes as often.
        let other: u64 = self.lanes[lane.other() as usize].waiting.values().map(|waiter| waiter.bytes).sum();
        own + other.min(own)
    }

    /// Wakes whoever goes next: nobody else keeps the time.
    pub(super) fn wake_next(&self) {
        if let Some((lane, ticket)) = self.next()
            && let Some(waiter) = self.lanes[lane as usize].waiting.get(&ticket)
        {
            waiter.wake.notify_one();
        }
    }
}
