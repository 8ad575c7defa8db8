//! From the state in memory to a newer root's: the records between the two, or, behind a checkpoint, the pages
//! that have changed. What is lost stays lost for its own keys; once something has taken its place, just those are read
//! anew. Reads parts, changes nothing.

use std::sync::Arc;

use futures::{StreamExt, stream};
use nearkv::Key;
use tokio::time::Instant;

use crate::{
    follow::follower::Follower,
    format::{Manifest, PageRef, Put, Root, SegmentRef, Versioned},
    parts::loader::{FETCH_PARALLEL, LoadError, Loader, Source, ranges, sources},
    state::{
        damage::{Damage, Lost},
        entries::{Entries, Slot},
        snapshot::Snapshot,
    },
    store::Meta,
};

/// What becomes of a load that meets a lost part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It fails.
    Fails,
    /// What the part said is left open, for its keys.
    LeavesOpen,
}

/// What becomes of a part that was lost before and that the root still names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// It stays lost, unread.
    StaysLost,
    /// It is read again: somebody may have put it back.
    IsReadAgain,
}

/// The losses of one load.
struct Losses {
    policy: Loss,
    found: Vec<Damage>,
}

impl Losses {
    /// What was read, or nothing where the load goes on without it.
    fn bear<T: Default>(
        &mut self,
        read: Result<T, LoadError>,
        lost: Lost,
        through: u64,
    ) -> Result<T, LoadError> {
        match read {
            Err(error) if error.is_damage() && self.policy == Loss::LeavesOpen => {
                let since = Instant::now();
                self.add(Damage { lost, detail: error.to_string(), through: Some(through), since });
                Ok(T::default())
            }
            read => read,
        }
    }

    fn add(&mut self, damage: Damage) {
        if self.found.iter().all(|found| found.lost != damage.lost) {
            self.found.push(damage);
        }
    }
}

/// Entries at a version, and what of them is not known.
struct Start {
    entries: Entries,
    have: u64,
    damage: Vec<Damage>,
}

impl Follower {
    /// The snapshot of `root`, from `old` where that is an earlier state of the same data.
    pub(crate) async fn advance(
        &self,
        old: Option<&Snapshot>,
        root: Root,
        meta: &Meta,
        policy: Loss,
        before: Before,
    ) -> Result<Snapshot, LoadError> {
        let loader = self.space.part_writer().loader();
        let old = old.filter(|old| old.root.incarnation == root.incarnation);
        let mut losses = Losses { policy, found: Vec::new() };
        let manifest = match (&root.manifest, old) {
            (None, _) => Ok(Arc::default()),
            (Some(reference), Some(old)) if old.knows_manifest(reference) => Ok(Arc::clone(&old.manifest)),
            (Some(reference), _) => loader.manifest(reference).await.map(Arc::new),
        };
        let (manifest, start) = match (manifest, &root.manifest) {
            (Err(error), Some(reference)) if error.is_damage() && policy == Loss::LeavesOpen => {
                let lost = Lost::Manifest(reference.clone());
                (Arc::default(), without_manifest(old, &root, lost, error.to_string()))
            }
            (manifest, _) => {
                let manifest = manifest?;
                let start = from_memory(&loader, old, &manifest, &root, before, &mut losses).await?;
                (manifest, start)
            }
        };
        let Start { mut entries, have, damage } = start;
        let behind = |segment: &&SegmentRef| segment.last() > have;
        let segments = manifest.segments.iter().chain(&root.segments).filter(behind).cloned().collect();
        records(&loader, segments, &mut losses, |Versioned { version, record }| {
            if version > have {
                entries.apply(version, record);
            }
        })
        .await?;
        for Versioned { version, record } in root.versioned().filter(|record| record.version > have) {
            entries.apply(version, record);
        }
        entries.drop_ended(manifest.checkpoint, manifest.expired_before);
        damage.into_iter().for_each(|damage| losses.add(damage));
        Ok(Snapshot {
            root: Arc::new(root),
            token: meta.token.clone(),
            owner: meta.owner.clone(),
            entries,
            manifest,
            damage: losses.found.into(),
        })
    }
}

/// Where the log of the root itself begins: nothing is read by a manifest that is lost.
fn without_manifest(old: Option<&Snapshot>, root: &Root, lost: Lost, detail: String) -> Start {
    let behind = root.segments.first().map_or(root.first_inline(), |segment| segment.first) - 1;
    match old {
        // Memory has all that the manifest could lead to.
        Some(old) if old.root.version >= behind => {
            let mut damage: Vec<_> =
                old.damage.iter().filter(|damage| damage.lost != lost).cloned().collect();
            let known = old.damage.iter().find(|damage| damage.lost == lost);
            let through = known.and_then(|damage| damage.through);
            let since = known.map_or_else(Instant::now, |damage| damage.since);
            damage.push(Damage { lost, detail, through, since });
            Start { entries: old.entries.clone(), have: old.root.version, damage }
        }
        _ => {
            let damage = vec![Damage { lost, detail, through: Some(behind), since: Instant::now() }];
            Start { entries: Entries::default(), have: behind, damage }
        }
    }
}

/// What memory and the pages say: what it holds already, or the state at the checkpoint.
async fn from_memory(
    loader: &Loader,
    old: Option<&Snapshot>,
    manifest: &Manifest,
    root: &Root,
    before: Before,
    losses: &mut Losses,
) -> Result<Start, LoadError> {
    let Some(old) = old.filter(|old| old.root.version >= manifest.checkpoint) else {
        let entries = pages(loader, old, manifest, losses).await?;
        return Ok(Start { entries, have: manifest.checkpoint, damage: Vec::new() });
    };
    let (mut damage, mut replaced) = (Vec::new(), Vec::new());
    for lost in old.damage.iter() {
        let still = lost.is_reached(root, manifest)
            && (before == Before::StaysLost || !is_there(loader, &lost.lost).await);
        if still { &mut damage } else { &mut replaced }.push(lost.clone());
    }
    replaced.retain(Damage::is_open);
    let entries = anew(loader, old, &replaced, (manifest, root), losses).await?;
    Ok(Start { entries, have: old.root.version, damage })
}

/// Whether a part can be read by now.
async fn is_there(loader: &Loader, lost: &Lost) -> bool {
    match lost {
        Lost::Manifest(reference) => loader.manifest(reference).await.is_ok(),
        Lost::Page(page, until) => loader.page(page, until.as_ref()).await.is_ok(),
        Lost::Segment(segment) => loader.segment(segment).await.is_ok(),
    }
}

/// The entries of `old`, those of the keys of what was lost and has been replaced read anew.
async fn anew(
    loader: &Loader,
    old: &Snapshot,
    replaced: &[Damage],
    (manifest, root): (&Manifest, &Root),
    losses: &mut Losses,
) -> Result<Entries, LoadError> {
    let mut entries = old.entries.clone();
    if replaced.is_empty() {
        return Ok(entries);
    }
    let affected = |key: &Key| replaced.iter().any(|damage| damage.covers(key));
    let gone: Vec<Key> =
        entries.iter().map(|slot| &slot.put.key).filter(|key| affected(key)).cloned().collect();
    gone.iter().for_each(|key| entries.remove(key));
    let touched = |(page, until): &(PageRef, Option<Key>)| {
        replaced.iter().any(|damage| damage.touches(page.from.as_ref(), until.as_ref()))
    };
    let wanted: Vec<_> = ranges(manifest).into_iter().filter(touched).collect();
    fetch(loader, wanted, manifest.checkpoint, losses, |version, put| {
        if affected(&put.key) {
            entries.insert(Slot { version, put });
        }
    })
    .await?;
    let segments = manifest.segments.iter().chain(&root.segments).filter(|segment| {
        segment.last() > manifest.checkpoint
            && segment.first <= old.root.version
            && replaced.iter().any(|damage| damage.may_share_keys(segment))
    });
    let mut apply = |Versioned { version, record }: Versioned| {
        if version > manifest.checkpoint && version <= old.root.version && affected(record.key()) {
            entries.apply(version, record);
        }
    };
    records(loader, segments.cloned().collect(), losses, &mut apply).await?;
    root.versioned().for_each(apply);
    Ok(entries)
}

/// The entries at the manifest's checkpoint.
async fn pages(
    loader: &Loader,
    old: Option<&Snapshot>,
    manifest: &Manifest,
    losses: &mut Losses,
) -> Result<Entries, LoadError> {
    let mut entries = Entries::default();
    let mut wanted: Vec<(PageRef, Option<Key>)> = Vec::new();
    let is_whole = |from: Option<&Key>, until: Option<&Key>| {
        old.is_some_and(|old| {
            old.damage.iter().all(|damage| !damage.is_open() || !damage.touches(from, until))
        })
    };
    for source in sources(old.map(|old| &*old.manifest), manifest, &is_whole) {
        match source {
            Source::Memory { from, until, through } => {
                let held = old.into_iter().flat_map(|old| old.entries.between(from.as_ref(), until.as_ref()));
                held.filter(|slot| slot.version <= through).for_each(|slot| entries.share(slot));
            }
            Source::Page(page, until) => wanted.push((page, until)),
        }
    }
    let insert = |version, put| entries.insert(Slot { version, put });
    fetch(loader, wanted, manifest.checkpoint, losses, insert).await?;
    Ok(entries)
}

/// Takes in the entries of pages, page by page: [`FETCH_PARALLEL`] of them are in memory at most.
async fn fetch(
    loader: &Loader,
    wanted: Vec<(PageRef, Option<Key>)>,
    checkpoint: u64,
    losses: &mut Losses,
    mut insert: impl FnMut(u64, Put),
) -> Result<(), LoadError> {
    let mut pages = stream::iter(wanted)
        .map(|(page, until)| async move {
            let read = loader.page(&page, until.as_ref()).await;
            (Lost::Page(page, until), read)
        })
        .buffered(FETCH_PARALLEL);
    while let Some((lost, page)) = pages.next().await {
        for (version, put) in losses.bear(page, lost, checkpoint)? {
            insert(version, put);
        }
    }
    Ok(())
}

/// Takes in the records of segments, in order and segment by segment: [`FETCH_PARALLEL`] of them are in memory at most.
async fn records(
    loader: &Loader,
    segments: Vec<SegmentRef>,
    losses: &mut Losses,
    mut apply: impl FnMut(Versioned),
) -> Result<(), LoadError> {
    let mut segments = stream::iter(segments)
        .map(|segment| async move { (loader.segment(&segment).await, segment) })
        .buffered(FETCH_PARALLEL);
    while let Some((read, segment)) = segments.next().await {
        let last = segment.last();
        losses.bear(read, Lost::Segment(segment), last)?.into_iter().for_each(&mut apply);
    }
    Ok(())
}
