//! What the attempts of one batch have in common: the segments that exist already, so that a lost swap need not
//! write them twice, and how old they are.

use std::time::Duration;

use nearkv::Clock;

use super::{
    ages::Age,
    aside::{Aside, SetAside},
    format::SegmentRef,
    next::Created,
};

/// The attempts of one batch so far.
#[derive(Default)]
pub(super) struct Attempt {
    pub(super) created: Created,
    /// The oldest of what was created.
    pub(super) age: Option<Age>,
    /// Swaps lost so far.
    pub(super) lost: u32,
}

impl Attempt {
    /// The first one, which may name what was set aside.
    pub(super) async fn beginning(aside: Option<Aside>) -> Self {
        let Some(aside) = aside else { return Self::default() };
        let Some(SetAside { name, sha256, born }) = aside.made().await else { return Self::default() };
        Self { created: [(sha256, name)].into(), age: Some(born), lost: 0 }
    }

    /// The next one need not create these.
    pub(super) fn remember<'a>(&mut self, segments: impl Iterator<Item = &'a SegmentRef>) {
        self.created.extend(segments.map(|segment| (segment.sha256, segment.segment.clone())));
    }

    /// Whether something that was created is too old to be named by a root (invariant 6).
    pub(super) fn is_aged(&self, clock: &dyn Clock, most: Duration) -> bool {
        self.age.is_some_and(|age| age.elapsed(clock) >= most)
    }
}
