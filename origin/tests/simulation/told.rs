//! What histories have shown, added up: a history that shows nothing proves nothing.

use crate::{
    excuse::{Excuse, Excuses},
    ledger::Ledger,
};

/// What one history, or many, have shown.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) swaps: u64,
    pub(crate) manifests: u64,
    pub(crate) stages: u64,
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
    pub(crate) deletions: u64,
    /// Of the trace, in one history.
    pub(crate) hash: u64,
    pub(crate) excuses: Excuses,
    /// The most of each in one history.
    most: Excuses,
}

impl Told {
    /// Adds what a KvNamespace of the history has seen.
    pub(crate) fn take_in(&mut self, ledger: &Ledger) {
        self.swaps += ledger.swaps;
        self.manifests += ledger.manifests.len() as u64;
        self.stages += ledger.stages.len() as u64;
        self.deletions += ledger.deleted.len() as u64;
        self.excuses.add_all(&ledger.excuses);
        self.most = self.excuses;
    }

    /// Adds one history, or the sum of several.
    pub(crate) fn add(&mut self, other: &Self) {
        self.swaps += other.swaps;
        self.manifests += other.manifests;
        self.stages += other.stages;
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.deletions += other.deletions;
        self.excuses.add_all(&other.excuses);
        self.most.raise_to(&other.most);
    }

    /// What so many histories must have shown together.
    pub(crate) fn assert_enough(&self, histories: u64) {
        let Self { acknowledged, unknown, manifests, stages, deletions, .. } = self;
        assert!(*acknowledged > histories * 20, "{acknowledged} acknowledged writes");
        assert!(*unknown > histories, "{unknown} unknown outcomes");
        assert!(*manifests > histories / 20, "{manifests} manifests");
        assert!(*stages >= histories / 200, "{stages} stages of checkpoints");
        assert!(*deletions > histories, "{deletions} deletions");
    }

    /// For people.
    pub(crate) fn print(&self) {
        println!(
            "{} writes acknowledged, {} unknown, {} deletions, {} swaps, {} manifests, {} of them stages",
            self.acknowledged, self.unknown, self.deletions, self.swaps, self.manifests, self.stages
        );
        for excuse in Excuse::ALL {
            let (all, most) = (self.excuses.of(excuse), self.most.of(excuse));
            println!("  excused: {all:>8} {:<22} at most {most:>5} in one history", excuse.as_str());
        }
    }
}
