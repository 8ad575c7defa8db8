//! From the state in memory to a newer root's: the records between the two, or, behind a checkpoint, the pages
//! that have changed. Reads parts, changes nothing.

use std::sync::Arc;

use super::{
    entries::{Entries, Slot},
    format::{Manifest, Root, SegmentRef, Versioned},
    load::{LoadError, Source, sources},
    snapshot::Snapshot,
    space::Space,
};
use crate::store::Meta;

impl Space {
    /// The snapshot of `root`, from `old` where that is an earlier state of the same data.
    pub(super) async fn advance(
        &self,
        old: Option<&Snapshot>,
        root: Root,
        meta: &Meta,
    ) -> Result<Snapshot, LoadError> {
        let old = old.filter(|old| old.root.incarnation == root.incarnation);
        let manifest = match (&root.manifest, old) {
            (None, _) => Arc::default(),
            (Some(reference), Some(old)) if old.root.manifest.as_ref() == Some(reference) => {
                Arc::clone(&old.manifest)
            }
            (Some(reference), _) => Arc::new(self.workshop().loader().manifest(reference).await?),
        };
        let (mut entries, have) = match old {
            Some(old) if old.root.version >= manifest.checkpoint => (old.entries.clone(), old.root.version),
            _ => (self.pages(old, &manifest).await?, manifest.checkpoint),
        };
        for Versioned { version, record } in self.log(&manifest, &root, have).await? {
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
            damage: Arc::default(),
        })
    }

    /// The entries at the manifest's checkpoint.
    async fn pages(&self, old: Option<&Snapshot>, manifest: &Manifest) -> Result<Entries, LoadError> {
        let mut entries = Entries::default();
        let mut wanted = Vec::new();
        for source in sources(old.map(|old| &*old.manifest), manifest) {
            match source {
                Source::Memory { from, until } => {
                    let held =
                        old.into_iter().flat_map(|old| old.entries.between(from.as_ref(), until.as_ref()));
                    held.for_each(|slot| entries.share(slot));
                }
                Source::Page(page, until) => wanted.push((page, until)),
            }
        }
        for page in self.workshop().loader().pages(wanted).await? {
            for (version, put) in page {
                entries.insert(Slot { version, put });
            }
        }
        Ok(entries)
    }

    /// The records of all segments behind `have`, in order.
    async fn log(&self, manifest: &Manifest, root: &Root, have: u64) -> Result<Vec<Versioned>, LoadError> {
        let needed: Vec<SegmentRef> = manifest
            .segments
            .iter()
            .chain(&root.segments)
            .filter(|segment| segment.last() > have)
            .cloned()
            .collect();
        let mut records = Vec::new();
        let mut unknown = Vec::new();
        for segment in needed {
            match self.recent_segment(&segment.segment) {
                Some(known) => {
                    let versioned =
                        |(version, record): (u64, &_)| Versioned { version, record: Clone::clone(record) };
                    records.extend((segment.first..).zip(known.iter()).map(versioned));
                }
                None => unknown.push(segment),
            }
        }
        records.extend(self.workshop().loader().segments(unknown).await?);
        records.retain(|record| record.version > have);
        records.sort_by_key(|record| record.version);
        Ok(records)
    }
}
