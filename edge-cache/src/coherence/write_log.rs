//! The newest writes through this edge, in their order. A read of a cached page checks whether one of them changed it.
//! That needs neither an index of the pages nor a hook on evictions.

use std::collections::VecDeque;

use nearkv::{Key, Prefix, Version};

use super::{Floor, Ticket};
use crate::settings::WRITES_REMEMBERED;

/// A position in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(u64);

/// The newest writes of one incarnation, bounded.
#[derive(Debug, Default)]
pub(crate) struct WriteLog {
    /// Writes that were dropped from the front.
    dropped: u64,
    writes: VecDeque<(Key, Floor)>,
    newest: Floor,
}

impl WriteLog {
    /// Appends a write. A full log drops its oldest one.
    pub(crate) fn push(&mut self, key: Key, floor: Floor) {
        if self.writes.len() == WRITES_REMEMBERED {
            self.writes.pop_front();
            self.dropped += 1;
        }
        self.writes.push_back((key, floor));
        self.newest.raise(floor);
    }

    /// The log after a write of too many keys to list: no page from before is admitted.
    pub(crate) fn emptied(&self, floor: Floor) -> Self {
        let mut newest = self.newest;
        newest.raise(floor);
        Self { dropped: self.position().0 + 1, writes: VecDeque::new(), newest }
    }

    /// The position behind the newest write.
    pub(crate) fn position(&self) -> Position {
        Position(self.dropped + self.writes.len() as u64)
    }

    /// The floor of a list requested now: it must show all writes acknowledged so far.
    pub(crate) fn newest(&self) -> Floor {
        self.newest
    }

    /// Whether a page shows every write under its prefix. The request for it demanded the writes before `since`. If a
    /// later write was dropped from the log, its key is unknown, and the page is not admitted.
    pub(crate) fn admits(&self, since: Position, prefix: &Prefix, version: Version, sent: Ticket) -> bool {
        let Some(skip) = since.0.checked_sub(self.dropped) else { return false };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        self.writes.iter().skip(skip).all(|(key, floor)| !prefix.covers(key) || floor.admits(version, sent))
    }
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Random};

    use super::*;

    fn version(number: u64) -> Version {
        Version::new(Incarnation::mint(&Random::seeded(1)), number)
    }

    #[test]
    fn a_page_is_dropped_by_a_later_write_under_its_prefix() {
        let mut log = WriteLog::default();
        let (before, sent) = (log.position(), Ticket(0));
        log.push(Key::new("a/1").unwrap(), Floor::written(version(10)));
        let prefix = |text: &str| Prefix::new(text).unwrap();
        assert!(!log.admits(before, &prefix("a/"), version(9), sent));
        assert!(!log.admits(before, &prefix(""), version(9), sent));
        assert!(log.admits(before, &prefix("b/"), version(9), sent), "another prefix stays");
        assert!(log.admits(before, &prefix("a/"), version(10), sent), "a page of that state shows it");
        assert!(
            log.admits(log.position(), &prefix("a/"), version(9), sent),
            "it was requested after that write"
        );
        log.push(Key::new("b/1").unwrap(), Floor::unknown_outcome(Ticket(5)));
        assert!(!log.admits(before, &prefix("b/"), version(99), Ticket(4)), "an unknown outcome counts");
    }

    #[test]
    fn a_page_from_before_the_oldest_write_of_the_log_is_dropped() {
        let mut log = WriteLog::default();
        let before = log.position();
        for n in 0..=WRITES_REMEMBERED as u64 {
            log.push(Key::new("a").unwrap(), Floor::written(version(n)));
        }
        assert!(!log.admits(before, &Prefix::new("b").unwrap(), version(9999), Ticket(0)));
        assert_eq!(log.writes.len(), WRITES_REMEMBERED);
    }
}
