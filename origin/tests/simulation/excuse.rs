//! Excuses: every kind of result that the judge lets pass although a client would rather have had another. Each has
//! a name, is counted, and may come so often in one history and no more.

/// Why a result passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// The process crashed, so its client got no answer.
    Crashed,
    /// The KvNamespace or the process is young, or the KvNamespace is deleted: nothing is loaded.
    Unready,
    /// The store could not be reached in time, and faults were ordered.
    Unreachable,
    /// The outcome of a write is unknown, and faults were ordered.
    Unknown,
    /// The store or the pace asked for patience.
    Throttled,
    /// The store refused, as ordered.
    Refused,
    /// The budget is used up, and the history has a small one.
    NoRoom,
    /// Something that hands have destroyed cannot be read or written, and the answer says so.
    Destroyed,
    /// A cursor is of an incarnation that is gone.
    CursorGone,
    /// A version that a reader asked for is of an incarnation that is gone.
    VersionGone,
    /// An entry that ended a minute ago is not stored any more, by the format's rule.
    EndedLongAgo,
    /// An entry that a destroyed part spoke of was not written again by a repair.
    LostByRepair,
    /// At the end something is lost that hands have destroyed, and health or answer says so.
    LossReported,
    /// Nothing of the data was left anywhere, and the KvNamespace was given up.
    GivenUp,
}

impl Excuse {
    pub(crate) const ALL: [Self; 14] = [
        Self::Crashed,
        Self::Unready,
        Self::Unreachable,
        Self::Unknown,
        Self::Throttled,
        Self::Refused,
        Self::NoRoom,
        Self::Destroyed,
        Self::CursorGone,
        Self::VersionGone,
        Self::EndedLongAgo,
        Self::LostByRepair,
        Self::LossReported,
        Self::GivenUp,
    ];

    /// The word of the summary.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Unready => "unready",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown outcome",
            Self::Throttled => "throttled",
            Self::Refused => "refused by the store",
            Self::NoRoom => "no room",
            Self::Destroyed => "destroyed by hand",
            Self::CursorGone => "cursor gone",
            Self::VersionGone => "version gone",
            Self::EndedLongAgo => "ended long ago",
            Self::LostByRepair => "lost by repair",
            Self::LossReported => "loss reported",
            Self::GivenUp => "given up",
        }
    }

    /// How often it may come in a history of so many operations: in permille of them, and a few besides.
    fn most(self, operations: u64) -> u64 {
        let (permille, besides) = match self {
            Self::Crashed => (300, 10),
            Self::Unready | Self::Destroyed => (800, 20),
            Self::Unreachable | Self::NoRoom => (600, 20),
            Self::Unknown | Self::Throttled => (200, 15),
            Self::Refused | Self::CursorGone | Self::VersionGone => (50, 10),
            // Each entry once; a bulk is one operation with many.
            Self::EndedLongAgo => (1000, 500),
            Self::LostByRepair => (0, 500),
            Self::LossReported => (0, 100),
            Self::GivenUp => (0, 3),
        };
        operations * permille / 1000 + besides
    }
}

/// How often each has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Excuses([u64; Excuse::ALL.len()]);

impl Excuses {
    pub(crate) fn add(&mut self, excuse: Excuse) {
        self.0[excuse as usize] += 1;
    }

    pub(crate) fn of(&self, excuse: Excuse) -> u64 {
        self.0[excuse as usize]
    }

    pub(crate) fn add_all(&mut self, others: &Self) {
        self.0.iter_mut().zip(others.0).for_each(|(count, other)| *count += other);
    }

    /// The larger count of each.
    pub(crate) fn raise_to(&mut self, others: &Self) {
        self.0.iter_mut().zip(others.0).for_each(|(count, other)| *count = (*count).max(other));
    }

    /// The first that has come too often in a history of so many operations.
    pub(crate) fn excess(&self, operations: u64) -> Option<String> {
        let excess = Excuse::ALL.into_iter().find(|excuse| self.of(*excuse) > excuse.most(operations))?;
        let (word, count, most) = (excess.as_str(), self.of(excess), excess.most(operations));
        Some(format!("\"{word}\" has excused {count} results, and may excuse {most}"))
    }
}
