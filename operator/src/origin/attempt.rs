//! What the attempts of one batch have in common: the segments that exist already, so that none is written
//! twice, and how old they are.

use std::time::Duration;

use nearkv::Clock;

use super::{ages::Age, aside::SetAside, format::SegmentRef, next::Created};

/// The attempts of one batch so far.
#[derive(Default)]
pub(super) struct Attempt {
    pub(super) created: Created,
    /// What the first inline records were written to beforehand.
    pub(super) aside: Option<SegmentRef>,
    /// The oldest of what was created.
    pub(super) age: Option<Age>,
    /// Swaps lost so far.
    pub(super) lost: u32,
}

impl Attempt {
    /// The first one, which may name what was set aside.
    pub(super) fn beginning(aside: Option<SetAside>) -> Self {
        let (aside, age) = aside.map(|SetAside { segment, born }| (segment, born)).unzip();
        Self { aside, age, ..Self::default() }
    }

    /// The next one need not create these.
    pub(super) fn remember(&mut self, segments: &[SegmentRef]) {
        self.created.extend(segments.iter().map(|segment| (segment.sha256, segment.segment.clone())));
    }

    /// Whether something that was created is too old to be named by a root (invariant 6).
    pub(super) fn is_aged(&self, clock: &dyn Clock, most: Duration) -> bool {
        self.age.is_some_and(|age| age.elapsed(clock) >= most)
    }
}
