//! The expired entries of a KvNamespace, counted: keys and user bytes for quotas, chunks for what a checkpoint would free. A
//! count belongs to a second and moves with the clock, so that no commit walks all entries that have expired. Pure.

use imbl::OrdSet;
use nearkv::{Expiration, Key};
use parking_lot::Mutex;

use crate::state::entries::Slot;

/// Entries by the second of their end. An element without a key comes before all of its second; none is in the set.
pub(crate) type Ending = OrdSet<(Expiration, Option<Key>)>;

/// What some entries take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) keys: u64,
    /// Key, value and metadata.
    pub(crate) bytes: u64,
    /// Objects of their values that are too long for a record.
    pub(crate) chunks: u64,
    /// Bytes in those objects.
    pub(crate) chunk_bytes: u64,
}

impl Expired {
    pub(crate) fn add(&mut self, slot: &Slot) {
        self.keys += 1;
        self.bytes += slot.user_bytes();
        self.chunks += slot.chunk_count();
        self.chunk_bytes += slot.chunk_bytes();
    }

    fn subtract(&mut self, slot: &Slot) {
        self.keys -= 1;
        self.bytes -= slot.user_bytes();
        self.chunks -= slot.chunk_count();
        self.chunk_bytes -= slot.chunk_bytes();
    }
}

/// The entries that have ended by a second.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    second: u64,
    expired: Expired,
}

impl Count {
    fn covers(&self, slot: &Slot) -> bool {
        slot.put.expiration.is_some_and(|expiration| expiration.0 <= self.second)
    }

    /// Moves to another second, an earlier one where the clock has been set back.
    fn move_to<'a>(&mut self, second: u64, ending: &Ending, slot: impl Fn(&Key) -> Option<&'a Slot>) {
        let (from, to) = (self.second.min(second), self.second.max(second));
        let after = |second: u64| (Expiration(second.saturating_add(1)), None);
        let between = ending.range(after(from)..after(to)).filter_map(|(_, key)| slot(key.as_ref()?));
        let forward = second > self.second;
        for slot in between {
            if forward { self.expired.add(slot) } else { self.expired.subtract(slot) }
        }
        self.second = second;
    }
}

/// Which moment a count is for: each moves by itself, so that neither walks the time between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Now: what does not count against a quota any more.
    Now,
    /// As long ago that a checkpoint leaves it out.
    Droppable,
}

/// The counts of one map of entries, kept with it. Behind a lock because asking moves them; whoever asks later finds them
/// there.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<[Count; 2]>);

impl Clone for Counts {
    fn clone(&self) -> Self {
        Self(Mutex::new(*self.0.lock()))
    }
}

impl Counts {
    pub(crate) fn at<'a>(
        &self,
        moment: Moment,
        second: u64,
        ending: &Ending,
        slot: impl Fn(&Key) -> Option<&'a Slot>,
    ) -> Expired {
        let mut counts = self.0.lock();
        let count = &mut counts[moment as usize];
        count.move_to(second, ending, slot);
        count.expired
    }

    /// An entry has come.
    pub(crate) fn count_in(&mut self, slot: &Slot) {
        self.0
            .get_mut()
            .iter_mut()
            .filter(|count| count.covers(slot))
            .for_each(|count| count.expired.add(slot));
    }

    /// An entry has gone.
    pub(crate) fn count_out(&mut self, slot: &Slot) {
        let counts = self.0.get_mut().iter_mut();
        counts.filter(|count| count.covers(slot)).for_each(|count| count.expired.subtract(slot));
    }
}
