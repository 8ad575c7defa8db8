//! Looks at each inventory (`inventory.rs`) whether the parts that the root reaches are still there and as they were. What
//! memory holds of a lost one is written again: as new pages, because a log cannot be made from a state (invariant 7).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt, stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Health,
    format::{List, Manifest, PageRef},
    parts::{loader::FETCH_PARALLEL, pages::LostPages},
    settings::RECHECK_EVERY,
    state::{damage::Lost, snapshot::Snapshot},
    store::{Meta, ObjectName, Token},
    upkeep::{Host, UpkeepError, checkpoint, inventory::Listing, keeper::Keeper},
};

/// The tokens that parts were seen with: an immutable object that gets another one was made anew by hand, or
/// given to another owner.
type Seen = HashMap<ObjectName, Token>;

impl Keeper {
    /// Audits until `end`. Every replica does: the one that holds the entries may not be the maintainer.
    pub(crate) async fn audit(self: &Arc<Self>, end: &CancellationToken) {
        let (mut seen, mut audited) = (Seen::new(), None::<Instant>);
        loop {
            tokio::select! {
                biased;
                () = end.cancelled() => return,
                () = self.to_audit.arrived() => {}
                () = self.space.doubted.elsewhere.notified() => {}
                // A read has met a value that is not whole.
                () = self.space.values.doubted.notified() => {
                    let outcome = tokio::select! {
                        () = end.cancelled() => return,
                        outcome = self.look_at_values() => outcome,
                    };
                    self.say(outcome);
                    continue;
                }
            }
            let is_due = |_: &Arc<Listing>| audited.is_none_or(|audited| audited.elapsed() >= RECHECK_EVERY);
            let listing = self.to_audit.take().filter(is_due);
            if listing.is_some() {
                audited = Some(Instant::now());
            }
            let round = async {
                match self.space.health() {
                    Health::Ready | Health::PartDamaged { .. } | Health::StoreRefused { .. } => {
                        self.look_for_losses(listing.as_deref(), &mut seen).await
                    }
                    _ => Ok(()),
                }
            };
            let outcome = tokio::select! {
                () = end.cancelled() => return,
                outcome = round => outcome,
            };
            self.say(outcome);
        }
    }

    fn say(&self, outcome: Result<(), UpkeepError>) {
        if let Err(error) = outcome {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(namespace = %self.space.namespace, error, "the parts could not be audited");
        }
    }

    /// Looks at what the inventory shows to be another than before, and at what upkeep or another replica doubts.
    async fn look_for_losses(
        self: &Arc<Self>,
        listing: Option<&Listing>,
        seen: &mut Seen,
    ) -> Result<(), UpkeepError> {
        let mut suspects = listing.map(|listing| self.changed_since(listing, seen)).unwrap_or_default();
        let Some(view) = self.space.view() else { return Ok(()) };
        // What was altered before this process has seen it first.
        let doubted = self.space.doubted.take();
        if !doubted.is_empty() {
            self.doubt_values(&view, |name| !doubted.contains(name));
        }
        self.look_at_values().await?;
        suspects.extend(doubted);
        // What is lost already is read again by the follower.
        for damage in view.open_damage() {
            suspects.remove(&self.object(damage.name()));
        }
        if suspects.is_empty() {
            return Ok(());
        }
        let looked = self.look_at_suspects(&suspects).await;
        if looked.is_err() {
            suspects.into_iter().for_each(|name| self.space.doubted.add(name));
        }
        looked
    }

    /// The parts that the inventory misses or shows to be another than it has shown before. Values are doubted at once.
    fn changed_since(&self, listing: &Listing, seen: &mut Seen) -> HashSet<ObjectName> {
        let Some(view) = &listing.before else { return HashSet::new() };
        let token = |meta: &Meta| (meta.name.clone(), meta.token.clone());
        let listed: Seen = listing.objects.iter().map(token).collect();
        let changed = |name: &ObjectName| match (listed.get(name), seen.get(name)) {
            (None, _) => true,
            (Some(now), Some(before)) => now != before,
            (Some(_), None) => false,
        };
        self.doubt_values(view, |name| !changed(name));
        let suspects = self.parts(view).into_iter().filter(changed).collect();
        *seen = listed;
        suspects
    }

    /// Writes again what memory holds of a part that is lost.
    async fn look_at_suspects(self: &Arc<Self>, suspects: &HashSet<ObjectName>) -> Result<(), UpkeepError> {
        // The root may have moved on since, and the collector deleted what it no longer reaches.
        let Ok(view) = self.follower.refresh().await else { return Ok(()) };
        let lost = self.confirm_lost(&view, suspects).await?;
        if let Some(detail) = lost {
            tracing::error!(namespace = %self.space.namespace, detail, "a part is lost; its entries are written again from memory");
            self.heal(view).await?;
        }
        Ok(())
    }

    /// The names of manifest, pages and segments.
    fn parts(&self, view: &Snapshot) -> Vec<ObjectName> {
        let Snapshot { root, manifest, .. } = view;
        let top = root.manifest.iter().chain(manifest.children()).map(|reference| &reference.manifest);
        let segments = manifest.segments.iter().chain(&root.segments).map(|segment| &segment.segment);
        let pages = manifest.pages.iter().map(|page| &page.page);
        top.chain(segments).chain(pages).map(|name| self.object(name)).collect()
    }

    fn object(&self, name: &str) -> ObjectName {
        ObjectName::new(self.space.namespace.account(), name)
    }

    /// Reads the suspects that the state still names; says what is lost, if anything is.
    async fn confirm_lost(
        &self,
        view: &Snapshot,
        suspects: &HashSet<ObjectName>,
    ) -> Result<Option<String>, UpkeepError> {
        let loader = self.space.part_writer().loader();
        let is_suspect = |name: &str| suspects.contains(&self.object(name));
        let Snapshot { root, manifest, .. } = view;
        let pages = manifest.pages.iter().filter(|page| is_suspect(&page.page)).cloned();
        let segments = manifest.segments.iter().chain(&root.segments);
        let segments = segments.filter(|segment| is_suspect(&segment.segment)).cloned();
        let references: Vec<_> = root.manifest.iter().chain(manifest.children()).collect();
        let top = root
            .manifest
            .iter()
            .filter(|_| references.iter().any(|reference| is_suspect(&reference.manifest)));
        let lost = pages.map(|page| Lost::Page(page, None)).chain(segments.map(Lost::Segment));
        let suspects: Vec<Lost> = lost.chain(top.cloned().map(Lost::Manifest)).collect();
        // What is read is dropped at once: the suspects may be all there is.
        let read = |suspect: Lost| {
            let loader = loader.clone();
            async move {
                match &suspect {
                    Lost::Page(page, _) => loader.page(page, None).await.map(drop),
                    Lost::Segment(segment) => loader.segment(segment).await.map(drop),
                    Lost::Manifest(top) => loader.manifest(top).await.map(drop),
                }
            }
        };
        let mut read = stream::iter(suspects).map(read).buffered(FETCH_PARALLEL);
        while let Some(result) = read.next().await {
            match result {
                Err(error) if error.is_damage() => return Ok(Some(error.to_string())),
                result => result?,
            }
        }
        Ok(None)
    }

    /// A checkpoint of all entries that takes over no page and no object of the manifest, but the pages that are lost to
    /// memory too. While a segment is lost to memory too, there can be none.
    async fn heal(self: &Arc<Self>, view: Arc<Snapshot>) -> Result<(), UpkeepError> {
        let now = self.space.context.clock.now();
        let part_writer = self.space.relief_writer();
        let Some(lost) = checkpoint::lost_pages(&part_writer, &*view, &view.manifest).await? else {
            return Ok(());
        };
        let base = Arc::new(rewritten(&view.manifest, &lost));
        let mut writing = checkpoint::plan(view, base, lost.clone(), now).await?;
        while writing.write_some(&part_writer).await? {}
        let Some(current) = self.space.view() else { return Ok(()) };
        let segments = current.manifest.segments.without_children();
        let anew = Manifest { segments, ..rewritten(&current.manifest, &lost) };
        if let Some(amendment) = writing.finish(&part_writer, &current.root, &anew).await? {
            self.amend(amendment).await?;
        }
        Ok(())
    }
}

/// The manifest as a checkpoint has to see it that keeps no page but the `lost` ones: the others have no entries that it
/// could take over, and only say where the lost ones end.
fn rewritten(manifest: &Manifest, lost: &LostPages) -> Manifest {
    let Manifest { checkpoint, expired_before, pages, segments: _ } = manifest;
    let rewritten = |page: &PageRef| match lost.contains(&page.page) {
        true => page.clone(),
        false => PageRef { entries: 0, ..page.clone() },
    };
    let pages =
        if lost.is_empty() { List::default() } else { List::flat(pages.iter().map(rewritten).collect()) };
    Manifest { checkpoint: *checkpoint, expired_before: *expired_before, pages, segments: List::default() }
}
