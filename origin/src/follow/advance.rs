//! From the state in memory to a newer root's: the records between the two, or, behind a checkpoint, the pages
//! that have changed. Reads parts, changes nothing.

use std::sync::Arc;

use futures::{StreamExt, stream};
use nearkv::Key;

use crate::{
    follow::follower::Follower,
    format::{Manifest, PageRef, Root, SegmentRef, Versioned},
    parts::loader::{FETCH_PARALLEL, LoadError, Source, sources},
    state::{
        entries::{Entries, Slot},
        snapshot::{Damage, Snapshot},
    },
    store::Meta,
};

/// What becomes of a load that meets a lost part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It fails.
    Fails,
    /// What the part said is left open, for the keys of its range.
    LeavesOpen,
}

/// The losses of one load.
struct Losses {
    policy: Loss,
    found: Vec<Damage>,
}

impl Losses {
    /// Whether the load goes on without what is lost.
    fn bear(&mut self, lost: &LoadError, (from, until): (Option<Key>, Option<Key>), through: u64) -> bool {
        let borne = lost.is_damage() && self.policy == Loss::LeavesOpen;
        if borne {
            self.found.push(Damage { detail: lost.to_string(), from, until, through });
        }
        borne
    }
}

impl Follower {
    /// The snapshot of `root`, from `old` where that is an earlier and whole state of the same data.
    pub(crate) async fn advance(
        &self,
        old: Option<&Snapshot>,
        root: Root,
        meta: &Meta,
        policy: Loss,
    ) -> Result<Snapshot, LoadError> {
        let old = old.filter(|old| old.root.incarnation == root.incarnation && old.damage.is_empty());
        let mut losses = Losses { policy, found: Vec::new() };
        let manifest = match (&root.manifest, old) {
            (None, _) => Arc::default(),
            (Some(reference), Some(old)) if old.root.manifest.as_ref() == Some(reference) => {
                Arc::clone(&old.manifest)
            }
            (Some(reference), _) => {
                let behind = root.segments.first().map_or(root.first_inline(), |segment| segment.first) - 1;
                match self.space.part_writer().loader().manifest(reference).await {
                    Err(lost) if losses.bear(&lost, (None, None), behind) => Arc::default(),
                    read => Arc::new(read?),
                }
            }
        };
        let (mut entries, have) = match old {
            Some(old) if old.root.version >= manifest.checkpoint => (old.entries.clone(), old.root.version),
            _ => (self.pages(old, &manifest, &mut losses).await?, manifest.checkpoint),
        };
        for Versioned { version, record } in self.log(&manifest, &root, have, &mut losses).await? {
            entries.apply(version, record);
        }
        for Versioned { version, record } in root.versioned().filter(|record| record.version > have) {
            entries.apply(version, record);
        }
        entries.drop_ended(manifest.checkpoint, manifest.expired_before);
        Ok(Snapshot {
            root: Arc::new(root),
            token: meta.token.clone(),
            owner: meta.owner.clone(),
            entries,
            manifest,
            damage: losses.found.into(),
        })
    }

    /// The entries at the manifest's checkpoint.
    async fn pages(
        &self,
        old: Option<&Snapshot>,
        manifest: &Manifest,
        losses: &mut Losses,
    ) -> Result<Entries, LoadError> {
        let mut entries = Entries::default();
        let mut wanted: Vec<(PageRef, Option<Key>)> = Vec::new();
        for source in sources(old.map(|old| &*old.manifest), manifest) {
            match source {
                Source::Memory { from, until, through } => {
                    let held =
                        old.into_iter().flat_map(|old| old.entries.between(from.as_ref(), until.as_ref()));
                    held.filter(|slot| slot.version <= through).for_each(|slot| entries.share(slot));
                }
                Source::Page(page, until) => wanted.push((page, until)),
            }
        }
        let loader = &self.space.part_writer().loader();
        let mut pages = stream::iter(wanted)
            .map(|(page, until)| async move {
                let range = (page.from.clone(), until.clone());
                (range, loader.pages(vec![(page, until)]).await)
            })
            .buffered(FETCH_PARALLEL);
        while let Some((range, page)) = pages.next().await {
            let page = match page {
                Err(lost) if losses.bear(&lost, range, manifest.checkpoint) => Vec::new(),
                page => page?,
            };
            for (version, put) in page.into_iter().flatten() {
                entries.insert(Slot { version, put });
            }
        }
        Ok(entries)
    }

    /// The records of all segments behind `have`, in order.
    async fn log(
        &self,
        manifest: &Manifest,
        root: &Root,
        have: u64,
        losses: &mut Losses,
    ) -> Result<Vec<Versioned>, LoadError> {
        let all = manifest.segments.iter().chain(&root.segments);
        let needed: Vec<SegmentRef> = all.filter(|segment| segment.last() > have).cloned().collect();
        let loader = &self.space.part_writer().loader();
        let mut segments = stream::iter(needed)
            .map(|segment| async move { (segment.last(), loader.segments(vec![segment]).await) })
            .buffered(FETCH_PARALLEL);
        let mut records = Vec::new();
        while let Some((last, segment)) = segments.next().await {
            match segment {
                Err(lost) if losses.bear(&lost, (None, None), last) => {}
                segment => records.extend(segment?),
            }
        }
        records.retain(|record| record.version > have);
        Ok(records)
    }
}
