//! Looks now and then whether the parts that the root reaches are still there and as they were. What memory holds
//! of a lost one is written again: as new pages, because a log cannot be made from a state (invariant 7).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    Health,
    format::{LABEL_NAMESPACE, List, Manifest, PageRef},
    parts::pages::LostPages,
    state::snapshot::Snapshot,
    store::{ObjectName, Selector, Token},
    upkeep::{Host, UpkeepError, checkpoint, keeper::Keeper},
};

/// How often the parts are listed, by metadata alone.
const AUDIT_EVERY: Duration = Duration::from_secs(30);

/// The tokens that parts were seen with: an immutable object that gets another one was made anew by hand, or
/// given to another owner.
type Seen = HashMap<ObjectName, Token>;

impl Keeper {
    /// Audits until `end`. Every replica does: the one that holds the entries may not be the maintainer.
    pub(crate) async fn audit(self: &Arc<Self>, end: &CancellationToken) {
        let mut seen = Seen::new();
        loop {
            tokio::select! {
                biased;
                () = end.cancelled() => return,
                () = sleep(AUDIT_EVERY + self.space.context.random.jitter(AUDIT_EVERY / 4)) => {}
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
            let round = async {
                match self.space.health() {
                    Health::Ready => self.look_for_losses(&mut seen).await,
                    // Perhaps another replica, or a person, has put back what was lost.
                    // And a refusal is only known to last until the next write; nobody may write for long.
                    Health::PartDamaged { .. } | Health::StoreRefused { .. } => {
                        self.follower.request_check();
                        self.look_for_losses(&mut seen).await
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

    async fn look_for_losses(self: &Arc<Self>, seen: &mut Seen) -> Result<(), UpkeepError> {
        let Some(view) = self.space.view() else { return Ok(()) };
        let selector = Selector {
            folder: Some(self.space.namespace.account().into()),
            labels: vec![(LABEL_NAMESPACE.to_owned(), vec![self.space.namespace.name().to_owned()])],
        };
        let listed = self.space.context.store.list(&selector).await.map_err(|source| UpkeepError::Store {
            action: "list",
            namespace: self.space.namespace.clone(),
            source,
        })?;
        let listed: Seen = listed.into_iter().map(|meta| (meta.name, meta.token)).collect();
        let changed = |name: &ObjectName| match (listed.get(name), seen.get(name)) {
            (None, _) => true,
            (Some(now), Some(before)) => now != before,
            (Some(_), None) => false,
        };
        // What is lost already is read again by the follower.
        let known: HashSet<ObjectName> =
            view.open_damage().map(|damage| self.object(damage.name())).collect();
        let parts = self.parts(&view).into_iter().filter(|name| !known.contains(name));
        let mut suspects: HashSet<ObjectName> = parts.filter(changed).collect();
        self.doubt_values(&view, |name| !changed(name));
        *seen = listed;
        self.look_at_values().await?;
        // What was altered before this process has seen it first.
        let doubted = self.space.doubted.take();
        suspects.extend(doubted.into_iter().filter(|name| !known.contains(name)));
        if suspects.is_empty() {
            return Ok(());
        }
        let looked = self.look_at_suspects(&suspects).await;
        if looked.is_err() {
            suspects.into_iter().for_each(|name| self.space.doubted.add(name));
        }
        looked
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
        let pages = manifest.pages.iter().filter(|page| is_suspect(&page.page));
        let segments = manifest.segments.iter().chain(&root.segments);
        let segments = segments.filter(|segment| is_suspect(&segment.segment));
        let references: Vec<_> = root.manifest.iter().chain(manifest.children()).collect();
        let mut read = vec![loader.pages(pages.cloned().map(|page| (page, None)).collect()).await.map(drop)];
        read.push(loader.segments(segments.cloned().collect()).await.map(drop));
        if let Some(top) = &root.manifest
            && references.iter().any(|reference| is_suspect(&reference.manifest))
        {
            read.push(loader.manifest(top).await.map(drop));
        }
        for result in read {
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
        let mut writing = checkpoint::plan(&part_writer, view, base, lost.clone(), now).await?;
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
