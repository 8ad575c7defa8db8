//! What can go wrong between a client and the simulated store: chances per call and per watch event, and
//! single fates that a test orders for the next call of a kind.

use std::{ops::Range, time::Duration};

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// [`crate::store::ObjectStore::get`].
    Get,
    /// [`crate::store::ObjectStore::list`].
    List,
    /// [`crate::store::ObjectStore::create`].
    Create,
    /// [`crate::store::ObjectStore::replace`].
    Replace,
    /// [`crate::store::ObjectStore::delete`].
    Delete,
    /// [`crate::store::ObjectStore::watch`]. Only partitions know of it.
    Watch,
}

impl Action {
    /// The word in an error.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Watch => "watch",
        }
    }

    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Replace | Self::Delete)
    }
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Carried out and answered.
    Served,
    /// Somebody changes the object just before (without changing its content), then it is carried out: a
    /// replacement meets a conflict.
    Contended,
    /// 429; not carried out.
    Throttled,
    /// 403; not carried out.
    Refused,
    /// The connection breaks, or the server answers 5xx, before anything is done.
    FailedBefore,
    /// Carried out, and then the connection breaks or the server answers 5xx.
    FailedAfter,
    /// The caller's time runs out, and the request is carried out that much later, whatever the caller did
    /// meanwhile.
    Late(Duration),
    /// The caller's time runs out, and nothing is ever done.
    Lost,
    /// The calling task panics. Only by order.
    Panics,
}

/// Chances in a thousand, and times. [`Faults::NONE`] is a perfect store.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Of a [`Fate::Contended`] replacement.
    pub contended: u64,
    /// Of [`Fate::Throttled`].
    pub throttled: u64,
    /// Of a [`Fate::Refused`] write.
    pub refused: u64,
    /// Of [`Fate::FailedBefore`].
    pub failed_before: u64,
    /// Of [`Fate::FailedAfter`].
    pub failed_after: u64,
    /// Of [`Fate::Late`].
    pub late: u64,
    /// How late such a request is at most.
    pub longest_late: Duration,
    /// Of [`Fate::Lost`].
    pub lost: u64,
    /// Time to the store, and again back.
    pub latency: Range<Duration>,
    /// After this much a caller gives up.
    pub deadline: Duration,
    /// Longest time that a watch event is under way.
    pub watch_delay: Duration,
    /// Of an event that is reported twice.
    pub watch_repeated: u64,
    /// Of an event that is left out. The watch then breaks within [`Faults::watch_repair`].
    pub watch_left_out: u64,
    /// The longest time that a watch goes on after it has left something out.
    pub watch_repair: Duration,
    /// Of a break of the watch, per event.
    pub watch_broken: u64,
    /// Of an event after which the watch falls behind and goes on to send bookmarks, as a lagging watch cache does.
    pub watch_lagging: u64,
    /// The longest time that it stays behind.
    pub watch_lag: Duration,
}

impl Faults {
    /// Nothing goes wrong, and every way takes a millisecond.
    pub const NONE: Self = Self {
        contended: 0,
        throttled: 0,
        refused: 0,
        failed_before: 0,
        failed_after: 0,
        late: 0,
        longest_late: Duration::ZERO,
        lost: 0,
        latency: Duration::from_millis(1)..Duration::from_millis(1),
        deadline: Duration::from_secs(10),
        watch_delay: Duration::ZERO,
        watch_repeated: 0,
        watch_left_out: 0,
        watch_repair: Duration::ZERO,
        watch_broken: 0,
        watch_lagging: 0,
        watch_lag: Duration::ZERO,
    };

    /// Everything goes wrong now and then, and times vary widely.
    pub const MANY: Self = Self {
        contended: 30,
        throttled: 15,
        refused: 3,
        failed_before: 30,
        failed_after: 30,
        late: 30,
        longest_late: Duration::from_secs(40),
        lost: 10,
        latency: Duration::from_micros(200)..Duration::from_millis(60),
        deadline: Duration::from_secs(10),
        watch_delay: Duration::from_millis(300),
        watch_repeated: 100,
        watch_left_out: 50,
        watch_repair: Duration::from_secs(5),
        watch_broken: 30,
        watch_lagging: 0,
        watch_lag: Duration::ZERO,
    };

    /// What becomes of a call, by a number in `0..1000` and one in `0..=longest_late` that were drawn for it.
    pub(super) fn fate(&self, action: Action, mut drawn: u64, late_by: Duration) -> Fate {
        let replaces = action == Action::Replace;
        let chances = [
            (if replaces { self.contended } else { 0 }, Fate::Contended),
            (self.throttled, Fate::Throttled),
            (if action.is_write() { self.refused } else { 0 }, Fate::Refused),
            (self.failed_before, Fate::FailedBefore),
            (self.failed_after, Fate::FailedAfter),
            (self.late, Fate::Late(late_by)),
            (self.lost, Fate::Lost),
        ];
        for (chance, fate) in chances {
            if drawn < chance {
                return fate;
            }
            drawn -= chance;
        }
        Fate::Served
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}
