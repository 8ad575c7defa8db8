//! What the attempts of one batch have in common: the segments that exist already, so that none is written
//! twice, and how old they are.

use std::time::Duration;

use nearkv::{Clock, Reason};
use tokio::time::sleep;

use crate::{
    commit::{batch::Batch, committer::Committer, draft_root::Created, presealed::Sealed},
    format::SegmentRef,
    parts::age::Age,
    settings::{CONFLICT_PAUSE, CONFLICT_PAUSE_MOST},
};

/// The attempts of one batch so far.
#[derive(Default)]
pub(crate) struct Attempt {
    pub(crate) created: Created,
    /// What the first inline records were written to beforehand.
    pub(crate) presealed: Option<SegmentRef>,
    /// The oldest of what was created.
    pub(crate) age: Option<Age>,
    /// Swaps lost so far.
    pub(crate) lost: u32,
}

impl Attempt {
    /// The first one, which may name what was set aside.
    pub(crate) fn beginning(presealed: Option<Sealed>) -> Self {
        let (presealed, age) = presealed.map(|Sealed { segment, born }| (segment, born)).unzip();
        Self { presealed, age, ..Self::default() }
    }

    /// The next one need not create these.
    pub(crate) fn remember(&mut self, segments: &[SegmentRef]) {
        self.created.extend(segments.iter().map(|segment| (segment.sha256, segment.segment.clone())));
    }

    /// Whether something that was created is too old to be named by a root (invariant 6).
    pub(crate) fn is_aged(&self, clock: &dyn Clock, most: Duration) -> bool {
        self.age.is_some_and(|age| age.elapsed(clock) >= most)
    }
}

impl Committer {
    /// After a lost swap: the newest root, before the next attempt. The first time at once, because the winner
    /// leaves a gap just now; then after a jittered pause that grows.
    pub(crate) async fn catch_up(&self, batch: &mut Batch, attempt: &mut Attempt) {
        batch.answering(|| self.late(), self.newest(attempt)).await;
    }

    async fn newest(&self, attempt: &mut Attempt) {
        if attempt.lost > 0 {
            let longest = (CONFLICT_PAUSE * (1 << attempt.lost.min(6))).min(CONFLICT_PAUSE_MOST);
            sleep(self.space.context.random.jitter(longest)).await;
        }
        attempt.lost += 1;
        let mut pause = CONFLICT_PAUSE;
        while let Err(error) = self.follower.refresh().await {
            if error.reason() == Reason::NamespaceDamaged {
                return;
            }
            sleep(pause + self.space.context.random.jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}
