//! Upkeep of one KvNamespace's objects: fold, checkpoint, collect. Each step reads the newest snapshot, writes
//! objects that nothing names yet, and hands the committer an [`Amendment`]; a step whose host has shifted is
//! given up and decided anew. One task per KvNamespace; what it does depends on whether this replica is the
//! maintainer.

use std::{sync::Arc, time::Duration};

use nearkv::Clock;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    commit::amendment::Amendment,
    format::{Manifest, ManifestRef},
    parts::{pages, writer::PartWriter},
    upkeep::{
        AmendError, Host, UpkeepError, View,
        checkpoint::{self, Held, Writing},
        collect::{Collected, Collector},
        fold,
        inventory::Listing,
    },
};

/// Time between two looks at a KvNamespace that time alone changes: entries of it end, or the last look failed. Others are
/// looked at when they change, and at each inventory.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pause after a step that failed, so that a store in trouble is left in peace.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// With a short grace upkeep looks this many times within it.
const ROUNDS_PER_GRACE: u32 = 4;
/// After this share of the grace the pages of a checkpoint that are written by then are named: past half of it no root may
/// name them.
const STAGE_AFTER: u32 = 4;

/// What one look at a KvNamespace has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tended {
    /// Folds.
    pub folds: u64,
    /// Checkpoints.
    pub checkpoints: u64,
}

/// The upkeep of one KvNamespace.
pub(crate) struct Upkeep {
    /// The engine.
    host: Arc<dyn Host>,
    /// For the objects: its store is paced as maintenance.
    part_writer: PartWriter,
    clock: Arc<dyn Clock>,
    grace: Duration,
    collector: Collector,
    /// The manifest last seen, so that a fold does not read what the fold before has written.
    known: Option<(ManifestRef, Arc<Manifest>)>,
}

impl Upkeep {
    /// For the KvNamespace that `part_writer` drafts for.
    #[must_use]
    pub(crate) fn new(
        host: Arc<dyn Host>,
        part_writer: PartWriter,
        clock: Arc<dyn Clock>,
        grace: Duration,
    ) -> Self {
        let collector = Collector::new(part_writer.drafter.namespace.clone(), grace);
        Self { host, part_writer, clock, grace, collector, known: None }
    }

    /// Tends the KvNamespace until `shutdown`. While `maintainer` says no, it folds only a full root and
    /// deletes nothing, but counts for the budget and sees what is unreachable.
    pub(crate) async fn run(mut self, mut maintainer: watch::Receiver<bool>, shutdown: CancellationToken) {
        let mut was_maintainer = false;
        loop {
            let tended = async {
                let is_maintainer = *maintainer.borrow_and_update();
                // It may not be the maintainer any more at the next inventory.
                let deletes_at_once = is_maintainer && !was_maintainer;
                was_maintainer = is_maintainer;
                let tended = self.tend(is_maintainer).await.map(drop);
                // What stands in the way of a fold does not stop the collector.
                let collected = self.collect_if_listed(is_maintainer).await;
                let deleted = if deletes_at_once { self.delete().await } else { Ok(Collected::default()) };
                [tended, collected, deleted.map(drop)]
            };
            let outcomes = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                outcomes = tended => outcomes,
            };
            let (mut pause, mut ticks) =
                (Duration::ZERO, self.host.snapshot().is_some_and(|of| of.has_ending()));
            for error in outcomes.into_iter().filter_map(Result::err) {
                if matches!(error, UpkeepError::Amend(AmendError::Stopped)) {
                    return;
                }
                self.say(&error);
                (pause, ticks) = (PAUSE_AFTER_FAILURE, true);
            }
            let look = Instant::now() + self.at_most(LOOK_EVERY);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep_until(look), if ticks => {}
                () = self.host.listed() => {}
                _ = maintainer.changed() => {}
                () = async {
                    tokio::time::sleep(pause).await;
                    self.host.changed().await;
                } => {}
            }
        }
    }

    /// Folds and makes a checkpoint if they are due.
    ///
    /// # Errors
    /// See [`UpkeepError`]; what was written is garbage.
    pub(crate) async fn tend(&mut self, maintainer: bool) -> Result<Tended, UpkeepError> {
        let mut done = Tended::default();
        done.folds += self.fold(maintainer).await?;
        if maintainer {
            done.checkpoints += self.checkpoint(&mut done.folds).await?;
        }
        Ok(done)
    }

    /// One round of the collector: counts and looks, and deletes as the `maintainer`. The snapshot is taken now, after the
    /// listing (`inventory.rs`).
    ///
    /// # Errors
    /// See [`UpkeepError`]; the next round goes on.
    pub(crate) async fn collect(
        &mut self,
        listing: &Listing,
        maintainer: bool,
    ) -> Result<Collected, UpkeepError> {
        self.collector.count(&self.part_writer, listing);
        let Some(snapshot) = self.host.snapshot() else {
            self.collector.forget();
            return Ok(Collected::default());
        };
        let manifest = self.manifest(&*snapshot).await?;
        self.collector.look(&self.part_writer, listing, &*snapshot, &manifest);
        if maintainer { self.delete().await } else { Ok(Collected::default()) }
    }

    /// Sweeps and deletes what is ripe, if anything is.
    async fn delete(&mut self) -> Result<Collected, UpkeepError> {
        let Some(snapshot) = self.host.snapshot().filter(|_| self.collector.is_ripe()) else {
            return Ok(Collected::default());
        };
        let sweep = Amendment::Sweep(snapshot.root().incarnation);
        let swept = match self.host.amend(sweep).await {
            Err(AmendError::Superseded) => {
                self.collector.forget();
                return Ok(Collected::default());
            }
            swept => swept?,
        };
        let manifest = self.manifest(&*swept).await?;
        self.collector.delete(&self.part_writer, &*swept, &manifest).await
    }

    /// A round of the collector, if there is a new listing.
    async fn collect_if_listed(&mut self, maintainer: bool) -> Result<(), UpkeepError> {
        match self.host.listing() {
            Some(listing) => self.collect(&listing, maintainer).await.map(drop),
            None => Ok(()),
        }
    }

    async fn fold(&mut self, maintainer: bool) -> Result<u64, UpkeepError> {
        let mut folds = 0;
        while let Some(snapshot) = self.host.snapshot()
            && fold::is_due(snapshot.root(), maintainer)
        {
            let base = self.manifest(&*snapshot).await?;
            let amendment = fold::prepare(&self.part_writer, &*snapshot, &base).await?;
            folds += self.amend(amendment).await?;
        }
        Ok(folds)
    }

    async fn checkpoint(&mut self, folds: &mut u64) -> Result<u64, UpkeepError> {
        let Some(snapshot) = self.host.snapshot() else { return Ok(0) };
        let base = self.manifest(&*snapshot).await?;
        let room = self.part_writer.budget.room();
        let (root, now) = (snapshot.root(), self.clock.now());
        let held = Held { keys: snapshot.keys(), expired: snapshot.expired_by(pages::expired_before(now)) };
        if !checkpoint::is_due(root, &base, &held, room)
            || !checkpoint::has_room(&self.part_writer.budget, root, &base, &held)
        {
            return Ok(0);
        }
        let Some(lost) = checkpoint::lost_pages(&self.part_writer, &*snapshot, &base).await? else {
            return Ok(0);
        };
        let mut writing = checkpoint::plan(Arc::clone(&snapshot), Arc::clone(&base), lost, now).await?;
        while writing.write_some(&self.part_writer).await? {
            // Commits go on meanwhile and fill the root.
            *folds += self.fold(true).await?;
            if writing.born().elapsed() >= self.grace / STAGE_AFTER {
                self.stage(&mut writing).await?;
            }
            // The pages may take longer than a grace. A collector in trouble does not stop them.
            if let Err(error) = self.collect_if_listed(true).await {
                self.say(&error);
            }
        }
        let Some(snapshot) = self.host.snapshot() else { return Ok(0) };
        let current = self.manifest(&*snapshot).await?;
        match writing.finish(&self.part_writer, snapshot.root(), &current).await? {
            Some(amendment) => self.amend(amendment).await,
            None => Ok(0),
        }
    }

    /// Has the root name the pages that are written so far.
    async fn stage(&mut self, writing: &mut Writing) -> Result<(), UpkeepError> {
        let Some(snapshot) = self.host.snapshot() else { return Ok(()) };
        let current = self.manifest(&*snapshot).await?;
        if let Some((amendment, stage)) = writing.stage(&self.part_writer, snapshot.root(), &current).await?
            && self.amend(amendment).await? == 1
        {
            writing.staged(stage);
        }
        Ok(())
    }

    /// Amends the root; one that has moved on is no failure.
    async fn amend(&mut self, amendment: Amendment) -> Result<u64, UpkeepError> {
        let named = match &amendment {
            Amendment::Manifest(new) => Some((new.reference.clone(), Arc::clone(&new.manifest))),
            Amendment::Sweep(_) => None,
        };
        match self.host.amend(amendment).await {
            Ok(_) => {
                self.known = named.or(self.known.take());
                Ok(1)
            }
            Err(AmendError::Superseded) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// What the manifest of the snapshot's root says.
    async fn manifest(&mut self, snapshot: &dyn View) -> Result<Arc<Manifest>, UpkeepError> {
        let Some(reference) = &snapshot.root().manifest else { return Ok(Arc::default()) };
        if let Some((known, manifest)) = &self.known
            && known == reference
        {
            return Ok(Arc::clone(manifest));
        }
        let manifest = match snapshot.manifest() {
            Some(manifest) => manifest,
            None => Arc::new(self.part_writer.loader().manifest(reference).await?),
        };
        self.known = Some((reference.clone(), Arc::clone(&manifest)));
        Ok(manifest)
    }

    /// Logs what went wrong, and has the object looked at that is at fault.
    fn say(&self, error: &UpkeepError) {
        if let UpkeepError::Load(error) = error
            && let Some(object) = error.damaged()
        {
            self.host.doubt(object);
        }
        let (namespace, error) = (&self.part_writer.drafter.namespace, error as &dyn std::error::Error);
        tracing::warn!(%namespace, error, "upkeep failed");
    }

    /// An interval, shortened so that there are a few within the grace.
    fn at_most(&self, interval: Duration) -> Duration {
        interval.min(self.grace / ROUNDS_PER_GRACE)
    }
}

#[cfg(test)]
mod tests;
