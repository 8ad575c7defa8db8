//! Checkpoints: when the log has outgrown the pages, the pages whose range has changed are written anew from a
//! snapshot, and the log up to that snapshot goes. Commits and folds go on meanwhile; only the last step, one
//! manifest and one swap, depends on what the root says by then.

use std::sync::Arc;

use nearkv::UnixMillis;
use tokio::time::Instant;

use super::{
    amendment::{Amendment, NewManifest},
    format::{Manifest, PART_BYTES, PageRef, Root},
    pages::{self, NewPage, PlannedPage},
    settings::SKEW_MOST,
    sizes::Sizes,
    upkeep::{Snapshot, UpkeepError},
    workshop::Workshop,
};
use crate::store::Draft;

/// A log is due when it is this many times as large as the pages: then a checkpoint, which writes every page where the
/// writes are random, adds at most half of what the log took, and a loading replica reads at most three times the live
/// bytes.
const LOG_PER_PAGES: u64 = 2;
/// The same where the budget is short: a checkpoint writes more, and the log takes half of the room.
const LOG_PER_PAGES_SHORT: u64 = 1;
/// A log smaller than this is left alone, however small the pages are.
const LOG_BYTES_LEAST: u64 = PART_BYTES as u64;
/// Pages created side by side, and before upkeep looks at the root again: a few, since they keep the store's processors
/// from the commits, and nobody waits for them.
const PAGES_AT_ONCE: usize = 2;

/// Whether the log has outgrown the pages, by less where the budget is `short`, and the clock can be trusted to say what
/// has ended.
#[must_use]
pub(super) fn is_due(root: &Root, manifest: &Manifest, short: bool, clock_skew_ms: Option<i64>) -> bool {
    let Sizes { log, pages, .. } = Sizes::of(root, manifest);
    let most = pages * if short { LOG_PER_PAGES_SHORT } else { LOG_PER_PAGES };
    log > most.max(LOG_BYTES_LEAST)
        && clock_skew_ms.is_none_or(|skew| u128::from(skew.unsigned_abs()) <= SKEW_MOST.as_millis())
}

/// A checkpoint whose pages are being written.
pub(super) struct Writing {
    snapshot: Arc<dyn Snapshot>,
    /// The checkpoint before: the pages kept are its.
    before: u64,
    expired_before: u64,
    pages: Vec<PageRef>,
    /// Still to be created, the last first.
    drafts: Vec<Draft>,
    born: Instant,
}

/// Plans the pages for the state of `snapshot`, whose root names `base`. Encoding megabytes takes a while, so it
/// runs beside the tasks that serve.
///
/// # Errors
/// [`UpkeepError::Aborted`] if the program ends meanwhile.
pub(super) async fn plan(
    workshop: &Workshop,
    snapshot: Arc<dyn Snapshot>,
    base: Arc<Manifest>,
    now: UnixMillis,
) -> Result<Writing, UpkeepError> {
    // Never earlier than the last time, whatever the clock says: what was left out stays out.
    let expired_before = pages::expired_before(now).max(base.expired_before);
    let before = base.checkpoint;
    let of = Arc::clone(&snapshot);
    let count = of.entries().count();
    let planning = pages::beside(count, move || {
        let old: Vec<PageRef> = base.pages.iter().cloned().collect();
        pages::plan(&old, before, of.entries(), expired_before)
    });
    let planned = planning.await.map_err(|_| UpkeepError::Aborted)?;
    let mut drafts = Vec::new();
    let place = |page| match page {
        PlannedPage::Kept(page) => page,
        PlannedPage::New(NewPage { from, entries, lines }) => {
            let (page, draft) = workshop.page(from, entries, lines);
            drafts.push(draft);
            page
        }
    };
    let pages = planned.into_iter().map(place).collect();
    Ok(Writing { snapshot, before, expired_before, pages, drafts, born: Instant::now() })
}

impl Writing {
    /// Creates the next few pages; `false` once all exist.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub(super) async fn write_some(&mut self, workshop: &Workshop) -> Result<bool, UpkeepError> {
        let rest = self.drafts.len().saturating_sub(PAGES_AT_ONCE);
        workshop.create(self.drafts.split_off(rest)).await?;
        Ok(!self.drafts.is_empty())
    }

    /// Writes the manifest upon the one that `root` names by now; `None` if another checkpoint has come first.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub(super) async fn finish(
        self,
        workshop: &Workshop,
        root: &Root,
        current: &Manifest,
    ) -> Result<Option<Amendment>, UpkeepError> {
        let Self { snapshot, before, expired_before, pages, drafts: _, born } = self;
        let taken = snapshot.root();
        if root.incarnation != taken.incarnation || current.checkpoint != before {
            return Ok(None);
        }
        let later = current.segments.iter().filter(|segment| segment.last() > taken.version);
        let segments = later.cloned().collect();
        let marks = (taken.version, expired_before);
        let (reference, manifest, drafts) = workshop.manifest(current, marks, pages, segments);
        workshop.create(drafts).await?;
        Ok(Some(NewManifest::upon(root, reference, manifest, born)))
    }
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Random};

    use super::*;
    use crate::origin::format::{SegmentRef, Sha};

    #[test]
    fn a_checkpoint_is_due_when_the_log_outgrows_the_pages_and_the_clock_is_right() {
        let mut root = Root::empty("a/b".parse().unwrap(), Incarnation::mint(&Random::seeded(1)));
        let mut manifest = Manifest::default();
        assert!(!is_due(&root, &manifest, true, None));
        let segment = |first| SegmentRef {
            segment: "log".into(),
            first,
            records: 1,
            bytes: LOG_BYTES_LEAST / 2 + 1,
            sha256: Sha::of(b""),
        };
        root.segments = vec![segment(1)];
        assert!(!is_due(&root, &manifest, true, None), "less than the least");
        root.segments.push(segment(2));
        assert!(is_due(&root, &manifest, false, None));
        assert!(is_due(&root, &manifest, false, Some(-2000)));
        assert!(!is_due(&root, &manifest, false, Some(2001)), "the clock is off");
        let page = PageRef {
            page: "page".into(),
            from: None,
            entries: 1,
            bytes: LOG_BYTES_LEAST,
            sha256: Sha::of(b""),
        };
        manifest.pages =
            manifest.pages.rebuilt(vec![page], &mut String::new, &str::to_owned, &mut Vec::new());
        assert!(is_due(&root, &manifest, true, None), "more than the pages, and no room");
        assert!(!is_due(&root, &manifest, false, None), "less than twice the pages, and room");
        root.segments.extend([segment(3), segment(4)]);
        assert!(is_due(&root, &manifest, false, None), "more than twice the pages");
    }
}
