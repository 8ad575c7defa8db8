//! Checkpoints: when the log has outgrown the pages, the pages whose range has changed are written anew from a
//! snapshot, and the log up to that snapshot goes. Commits and folds go on meanwhile; only the last step, one
//! manifest and one swap, depends on what the root says by then. Where the pages take long, such a step names some of
//! them before (decision 9).

mod due;
mod lost;

use std::sync::Arc;

use nearkv::{Key, UnixMillis};
use tokio::time::Instant;

use crate::{
    commit::amendment::{Amendment, NewManifest},
    format::{Manifest, PageRef, Root},
    parts::{
        pages::{self, LostPages, NewPage, PlannedPage},
        writer::PartWriter,
    },
    store::Draft,
    upkeep::{UpkeepError, View},
};

pub(crate) use due::{Held, has_room, is_due};
pub(crate) use lost::lost_pages;

/// Pages created side by side, and before upkeep looks at the root again: a few, since they keep the store's processors
/// from the commits, and nobody waits for them.
const PAGES_AT_ONCE: usize = 2;

/// A checkpoint whose pages are being written.
pub(crate) struct Writing {
    snapshot: Arc<dyn View>,
    /// The checkpoint before.
    before: u64,
    expired_before: u64,
    /// All of them, in key order, in which they are created too.
    pages: Vec<Page>,
    /// The pages that the root must still name: those that this began with, or those of the last stage.
    named: Vec<PageRef>,
}

/// A page of the new checkpoint, and how far it has come.
enum Page {
    /// It is yet to be encoded and created; its range begins at this key.
    Planned(Option<Key>),
    /// Its object was sent then, and no root names it.
    Sent(PageRef, Instant),
    /// The root names it.
    Named(PageRef),
}

/// What the root names before all pages are written.
pub(crate) struct Stage {
    pages: Vec<PageRef>,
    /// How many of them are of the new checkpoint.
    new: usize,
}

/// Plans the pages for the state of `snapshot`, whose root names `base`; those of `lost` stay as they are. Measuring
/// megabytes takes a while, so it runs beside the tasks that serve.
///
/// # Errors
/// [`UpkeepError::Aborted`] if the program ends meanwhile.
pub(crate) async fn plan(
    snapshot: Arc<dyn View>,
    base: Arc<Manifest>,
    lost: LostPages,
    now: UnixMillis,
) -> Result<Writing, UpkeepError> {
    // Never earlier than the last time, whatever the clock says: what was left out stays out.
    let expired_before = pages::expired_before(now).max(base.expired_before);
    let before = base.checkpoint;
    let named: Vec<PageRef> = base.pages.iter().cloned().collect();
    let (of, old) = (Arc::clone(&snapshot), named.clone());
    let planning =
        pages::beside(of.keys() as usize, move || pages::plan(&old, &lost, of.entries(), expired_before));
    let planned = planning.await.map_err(|_| UpkeepError::Aborted)?;
    let page = |planned| match planned {
        PlannedPage::Kept(page) => Page::Named(page),
        PlannedPage::New(from) => Page::Planned(from),
    };
    let pages = planned.into_iter().map(page).collect();
    Ok(Writing { snapshot, before, expired_before, pages, named })
}

impl Writing {
    /// Creates the next few pages; `false` once all exist.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub(crate) async fn write_some(&mut self, part_writer: &PartWriter) -> Result<bool, UpkeepError> {
        let planned = self.pages.iter().enumerate().filter(|(_, page)| !page.exists());
        let next: Vec<usize> = planned.map(|(at, _)| at).take(PAGES_AT_ONCE).collect();
        let mut drafts = Vec::new();
        for at in next {
            let (page, draft) = self.encode(part_writer, at);
            self.pages[at] = Page::Sent(page, Instant::now());
            drafts.push(draft);
        }
        part_writer.create(drafts).await?;
        Ok(!self.pages.iter().all(Page::exists))
    }

    /// The page at this place: the entries from its key up to the next page's.
    fn encode(&self, part_writer: &PartWriter, at: usize) -> (PageRef, Draft) {
        let (from, until) = (self.pages[at].from(), self.pages.get(at + 1).and_then(Page::from));
        let page = NewPage::of(self.snapshot.between(from, until), self.expired_before);
        part_writer.page(self.snapshot.root().version, from.cloned(), page)
    }

    /// When the oldest page was sent that the root does not name yet.
    pub(crate) fn born(&self) -> Instant {
        let sent = |page: &Page| match page {
            Page::Sent(_, at) => Some(*at),
            Page::Planned(_) | Page::Named(_) => None,
        };
        self.pages.iter().find_map(sent).unwrap_or_else(Instant::now)
    }

    /// Whether what it began with is still so: if not, another checkpoint has come first.
    fn stands_upon(&self, root: &Root, current: &Manifest) -> bool {
        root.incarnation == self.snapshot.root().incarnation
            && current.checkpoint == self.before
            && current.pages.iter().eq(&self.named)
    }

    /// Names what exists so far, so that it does not grow too old while the rest is written: up to a key at which an old
    /// page begins the new pages, from there on the old ones, or where there are none, a page without entries. The
    /// checkpoint remains the one before, and the log from there on brings new pages and old ones to the same state.
    /// `None` while there is no such key, or if another checkpoint has come first.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub(crate) async fn stage(
        &self,
        part_writer: &PartWriter,
        root: &Root,
        current: &Manifest,
    ) -> Result<Option<(Amendment, Stage)>, UpkeepError> {
        let Some((new, old)) = self.seam().filter(|_| self.stands_upon(root, current)) else {
            return Ok(None);
        };
        let written = self.pages[..new].iter().filter_map(Page::reference);
        let mut pages: Vec<PageRef> = written.chain(&self.named[old..]).cloned().collect();
        let mut end = None;
        if old == self.named.len() {
            let from = self.pages[new].from().cloned();
            let (page, draft) = part_writer.page(self.snapshot.root().version, from, NewPage::default());
            pages.push(page);
            end = Some(draft);
        }
        let segments = current.segments.iter().cloned().collect();
        let marks = (self.before, self.expired_before);
        let (reference, manifest, mut drafts) = part_writer.manifest(current, marks, pages.clone(), segments);
        drafts.extend(end);
        part_writer.create(drafts).await?;
        Ok(Some((NewManifest::upon(root, reference, manifest, self.born()), Stage { pages, new })))
    }

    /// Takes note that the root names a stage.
    pub(crate) fn staged(&mut self, Stage { pages, new }: Stage) {
        for page in &mut self.pages[..new] {
            if let Page::Sent(reference, _) = page {
                *page = Page::Named(reference.clone());
            }
        }
        self.named = pages;
    }

    /// The furthest key up to which all new pages exist and at which one of those that the root names begins: how many are
    /// before it of the new ones, and of the others.
    fn seam(&self) -> Option<(usize, usize)> {
        let exist = self.pages.iter().take_while(|page| page.exists()).count();
        let named = self.pages.iter().take_while(|page| matches!(page, Page::Named(_))).count();
        let seam = |new: usize| {
            let from = self.pages.get(new)?.from();
            match self.named.binary_search_by(|page| page.from.as_ref().cmp(&from)) {
                Ok(old) => Some((new, old)),
                Err(old) if old == self.named.len() && self.is_open() => Some((new, old)),
                Err(_) => None,
            }
        };
        (named + 1..=exist).rev().find_map(seam)
    }

    /// Whether no page that the root names has entries from its last key on: there were none yet, or those that a stage has
    /// named are followed by the page without entries that ends it.
    fn is_open(&self) -> bool {
        self.named.last().is_none_or(|page| page.entries == 0)
    }

    /// Writes the manifest upon the one that `root` names by now; `None` if another checkpoint has come first.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub(crate) async fn finish(
        self,
        part_writer: &PartWriter,
        root: &Root,
        current: &Manifest,
    ) -> Result<Option<Amendment>, UpkeepError> {
        if !self.stands_upon(root, current) {
            return Ok(None);
        }
        let (taken, born) = (self.snapshot.root().version, self.born());
        let later = current.segments.iter().filter(|segment| segment.last() > taken);
        let segments = later.cloned().collect();
        let pages = self.pages.iter().filter_map(Page::reference).cloned().collect();
        let marks = (taken, self.expired_before);
        let (reference, manifest, drafts) = part_writer.manifest(current, marks, pages, segments);
        part_writer.create(drafts).await?;
        Ok(Some(NewManifest::upon(root, reference, manifest, born)))
    }
}

impl Page {
    fn exists(&self) -> bool {
        self.reference().is_some()
    }

    /// What names it, once it exists.
    fn reference(&self) -> Option<&PageRef> {
        match self {
            Self::Planned(_) => None,
            Self::Sent(page, _) | Self::Named(page) => Some(page),
        }
    }

    /// Start of its range.
    fn from(&self) -> Option<&Key> {
        match self {
            Self::Planned(from) => from.as_ref(),
            Self::Sent(page, _) | Self::Named(page) => page.from.as_ref(),
        }
    }
}
