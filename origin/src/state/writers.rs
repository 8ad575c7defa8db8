//! The writers that a root remembers, as this process has seen them: whether a batch of theirs whose outcome is
//! unknown has been committed is read off there, so an entry is kept while one may still be asked about (design §6
//! invariant 5).

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    format::{Root, Writer},
    settings::{WRITER_KEPT, WRITERS_MOST},
};

/// The last batch of each writer, and when it was first seen.
#[derive(Default)]
pub(crate) struct Writers(Mutex<HashMap<String, (u64, Instant)>>);

impl Writers {
    /// Takes in what a root remembers.
    pub(crate) fn observe(&self, root: &Root) {
        let mut seen = self.0.lock();
        seen.retain(|writer, _| root.writers.contains_key(writer));
        for (writer, Writer { batch, .. }) in &root.writers {
            match seen.get(writer) {
                Some((known, _)) if known == batch => {}
                _ => {
                    seen.insert(writer.clone(), (*batch, Instant::now()));
                }
            }
        }
    }

    /// The writers of a root, other than `own`, that may be forgotten: those that were seen unchanged for
    /// the whole time, by the monotonic clock; and the oldest of too many.
    pub(crate) fn forgettable(&self, root: &Root, own: &str) -> Vec<String> {
        let seen = self.0.lock();
        let unchanged = |name: &String, writer: &Writer| {
            seen.get(name)
                .is_some_and(|(batch, since)| *batch == writer.batch && since.elapsed() >= WRITER_KEPT)
        };
        let others = || root.writers.iter().filter(|(name, _)| *name != own);
        let mut forgotten: Vec<String> =
            others().filter(|(name, writer)| unchanged(name, writer)).map(|(name, _)| name.clone()).collect();
        let mut left: Vec<_> = others().filter(|(name, _)| !forgotten.contains(name)).collect();
        left.sort_by_key(|(_, writer)| writer.at);
        let surplus = left.len().saturating_sub(WRITERS_MOST);
        forgotten.extend(left.into_iter().take(surplus).map(|(name, _)| name.clone()));
        forgotten
    }
}
