//! Lists after writes: the writes through this edge in their order, so that a read of a cached page can tell
//! whether one of them covers it. That needs no index of the pages and nothing that follows evictions.

use std::collections::VecDeque;

use nearkv::{Key, Prefix, Version};

use crate::{
    floor::{Floor, Ticket},
    settings::WRITES_REMEMBERED,
};

/// A place in the log of writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(u64);

/// The newest writes of one life, bounded.
#[derive(Debug, Default)]
pub(crate) struct WriteLog {
    forgotten: u64,
    writes: VecDeque<(Key, Floor)>,
    newest: Floor,
}

impl WriteLog {
    /// Remembers a write. The oldest one is forgotten, if there are too many.
    pub(crate) fn push(&mut self, key: Key, floor: Floor) {
        if self.writes.len() == WRITES_REMEMBERED {
            self.writes.pop_front();
            self.forgotten += 1;
        }
        self.writes.push_back((key, floor));
        self.newest.raise(floor);
    }

    /// The log after a write of so many keys that none is remembered: every page from before is dropped.
    pub(crate) fn emptied(&self, floor: Floor) -> Self {
        let mut newest = self.newest;
        newest.raise(floor);
        Self { forgotten: self.position().0 + 1, writes: VecDeque::new(), newest }
    }

    /// Behind the newest write.
    pub(crate) fn position(&self) -> Position {
        Position(self.forgotten + self.writes.len() as u64)
    }

    /// What a list that is asked for now must show: all writes acknowledged so far.
    pub(crate) fn newest(&self) -> Floor {
        self.newest
    }

    /// Whether a page still shows every write under its prefix. The writes before `since` were asked for when it
    /// was fetched; of a later one that has been forgotten nothing is known, so the page is dropped.
    pub(crate) fn admits(&self, since: Position, prefix: &Prefix, version: Version, sent: Ticket) -> bool {
        let Some(skip) = since.0.checked_sub(self.forgotten) else { return false };
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
    fn a_page_falls_with_a_later_write_under_its_prefix() {
        let mut log = WriteLog::default();
        let (before, sent) = (log.position(), Ticket(0));
        log.push(Key::new("a/1").unwrap(), Floor::written(version(10)));
        let prefix = |text: &str| Prefix::new(text).unwrap();
        assert!(!log.admits(before, &prefix("a/"), version(9), sent));
        assert!(!log.admits(before, &prefix(""), version(9), sent));
        assert!(log.admits(before, &prefix("b/"), version(9), sent), "another prefix stays");
        assert!(log.admits(before, &prefix("a/"), version(10), sent), "a page of that state shows it");
        assert!(log.admits(log.position(), &prefix("a/"), version(9), sent), "asked for with it in mind");
        log.push(Key::new("b/1").unwrap(), Floor::doubted(Ticket(5)));
        assert!(!log.admits(before, &prefix("b/"), version(99), Ticket(4)), "an unknown outcome counts");
    }

    #[test]
    fn a_page_from_before_what_the_log_remembers_is_dropped() {
        let mut log = WriteLog::default();
        let before = log.position();
        for n in 0..=WRITES_REMEMBERED as u64 {
            log.push(Key::new("a").unwrap(), Floor::written(version(n)));
        }
        assert!(!log.admits(before, &Prefix::new("b").unwrap(), version(9999), Ticket(0)));
        assert_eq!(log.writes.len(), WRITES_REMEMBERED);
    }
}
