//! Partitions of one connection: what is said to the store, or what it answers, is lost, for all verbs or for one.
//! A [`Link`](super::Link) that is cut loses everything both ways; here the one side believes that all is well.

use super::Action;

/// Which way is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Requests do not arrive.
    There,
    /// Requests are carried out, and their answers do not arrive.
    Back,
}

/// A partition of a process's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Only this verb; `None` for all, the watch included.
    pub action: Option<Action>,
    /// What is lost.
    pub way: Way,
}

impl Partition {
    /// Whether it loses what goes this way for this verb. A watch has events to lose and nothing to send, so either
    /// way silences it.
    pub(super) fn loses(self, action: Action, way: Way) -> bool {
        self.action.is_none_or(|only| only == action) && (action == Action::Watch || self.way == way)
    }
}
