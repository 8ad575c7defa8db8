//! The collector: deletes what the root does not reach, without racing a writer or a reader. It deletes only what
//! it has itself seen unreachable for the whole grace, and only after the root was swapped since, so that a
//! commit prepared before conflicts; a writer names no object of its own older than half of the grace (design
//! §6 invariant 6). Every replica looks, since the inventory (`inventory.rs`) shows it the objects anyway; only the
//! maintainer deletes, and one that has just become it need not wait for another grace.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use nearkv::Namespace;
use tokio::time::Instant;

use crate::{
    format::{Chunks, LABEL_PART, Manifest, Part, StoredValue, chunk_name},
    limits::budget::Usage,
    parts::writer::PartWriter,
    state::damage::Damage,
    store::{Meta, ObjectId, ObjectName, ObjectStore, StoreError},
    upkeep::{UpkeepError, View, inventory::Listing},
};

/// Objects deleted side by side: maintenance is in no hurry.
const DELETE_PARALLEL: usize = 4;

/// What a round has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    /// Objects deleted.
    pub objects: u64,
}

/// Which objects of a KvNamespace are unreachable, and since when this process has seen them so. Pure.
#[derive(Debug, Default)]
struct Sightings(HashMap<ObjectId, Instant>);

impl Sightings {
    /// Takes in a list, and answers what has been unreachable in every list for the whole grace.
    fn take_in(
        &mut self,
        listed: Vec<Meta>,
        reached: &HashSet<ObjectName>,
        grace: Duration,
        now: Instant,
    ) -> Vec<Meta> {
        let unreachable: Vec<Meta> =
            listed.into_iter().filter(|meta| !reached.contains(&meta.name)).collect();
        let since = |meta: &Meta| self.0.get(&meta.id).copied().unwrap_or(now);
        self.0 = unreachable.iter().map(|meta| (meta.id.clone(), since(meta))).collect();
        let is_ripe = |meta: &Meta| {
            self.0.get(&meta.id).is_some_and(|since| now.duration_since(*since) >= grace) && !meta.deleting
        };
        unreachable.into_iter().filter(is_ripe).collect()
    }
}

/// The collector of one KvNamespace.
#[derive(Debug)]
pub(crate) struct Collector {
    namespace: Namespace,
    grace: Duration,
    sightings: Sightings,
    /// What the last look found that may be deleted. It stays so until the next one: it is older than any object that a
    /// writer may still name.
    ripe: Vec<Meta>,
}

impl Collector {
    /// One that has seen nothing yet.
    #[must_use]
    pub(crate) fn new(namespace: Namespace, grace: Duration) -> Self {
        Self { namespace, grace, sightings: Sightings::default(), ripe: Vec::new() }
    }

    /// Forgets what it has seen: what it sees next must be unreachable for a whole grace again.
    pub(crate) fn forget(&mut self) {
        self.sightings = Sightings::default();
        self.ripe.clear();
    }

    /// Whether the last look found something that may be deleted.
    pub(crate) fn is_ripe(&self) -> bool {
        !self.ripe.is_empty()
    }

    /// Counts the objects for the budget: what this process has reckoned knows nothing of what others have written and
    /// deleted.
    pub(crate) fn count(&self, part_writer: &PartWriter, listing: &Listing) {
        part_writer.budget.recount(&self.namespace, Usage::of(&listing.objects), listing.charged);
    }

    /// Finds which objects have been unreachable for the whole grace. `snapshot` is a state from after the listing.
    pub(crate) fn look(
        &mut self,
        part_writer: &PartWriter,
        listing: &Listing,
        snapshot: &dyn View,
        manifest: &Manifest,
    ) {
        let is_known = known(&self.namespace, snapshot);
        let parts = listing.objects.iter().filter(|meta| is_part(meta, &self.namespace) && is_known(meta));
        let parts: Vec<Meta> = parts.cloned().collect();
        let reached = reached(&self.namespace, snapshot, manifest);
        let living = parts.iter().filter(|meta| reached.contains(&meta.name));
        part_writer.budget.reached(&self.namespace, Usage::of(living));
        self.ripe = self.sightings.take_in(parts, &reached, self.grace, Instant::now());
    }

    /// Deletes what is ripe and what `swept` does not reach either: the state at a root that was swapped since.
    ///
    /// # Errors
    /// [`UpkeepError::Store`]; what is left is found again in the next round.
    pub(crate) async fn delete(
        &mut self,
        part_writer: &PartWriter,
        swept: &dyn View,
        manifest: &Manifest,
    ) -> Result<Collected, UpkeepError> {
        let reached = reached(&self.namespace, swept, manifest);
        let is_known = known(&self.namespace, swept);
        let doomed = std::mem::take(&mut self.ripe)
            .into_iter()
            .filter(|meta| !reached.contains(&meta.name) && is_known(meta))
            .collect();
        let (gone, outcome) = delete_all(&*part_writer.store, &self.namespace, doomed).await;
        let Usage { bytes, objects } = Usage::of(&gone);
        part_writer.budget.release(&self.namespace, bytes, objects);
        outcome.map(|()| Collected { objects })
    }
}

/// Every part that the state reaches; the root itself is not among them.
fn reached(namespace: &Namespace, snapshot: &dyn View, manifest: &Manifest) -> HashSet<ObjectName> {
    let named = |name: &str| ObjectName { folder: Arc::from(namespace.account()), name: name.into() };
    let root = snapshot.root();
    let mut reached: HashSet<ObjectName> = HashSet::new();
    reached.extend(root.segments.iter().map(|segment| named(&segment.segment)));
    reached.extend(root.manifest.iter().map(|top| named(&top.manifest)));
    reached.extend(manifest.children().map(|child| named(&child.manifest)));
    reached.extend(manifest.segments.iter().map(|segment| named(&segment.segment)));
    reached.extend(manifest.pages.iter().map(|page| named(&page.page)));
    let entries = (snapshot.chunks() > 0).then(|| snapshot.entries());
    for entry in entries.into_iter().flatten() {
        if let StoredValue::Chunked(Chunks { nonce, count, .. }) = &entry.put.value {
            reached.extend((0..*count).map(|index| chunk_name(namespace, nonce, index)));
        }
    }
    reached
}

/// Whether the state says for sure if it reaches an object: of chunks it does not while a part is lost that may have named
/// them and may be put back.
fn known<'a>(namespace: &'a Namespace, snapshot: &dyn View) -> impl Fn(&Meta) -> bool + use<'a> {
    let values_are_known = !snapshot.damage().iter().any(Damage::is_open);
    move |meta| values_are_known || !is_of(meta, namespace, Part::Value)
}

/// Whether an object is one of ours by name and label, and not the root: a stranger's label alone dooms nothing.
fn is_part(meta: &Meta, namespace: &Namespace) -> bool {
    Part::ALL.iter().filter(|part| **part != Part::Root).any(|part| is_of(meta, namespace, *part))
}

fn is_of(meta: &Meta, namespace: &Namespace, part: Part) -> bool {
    meta.labels.get(LABEL_PART).is_some_and(|label| label == part.as_str())
        && meta.name.name.starts_with(&format!("{}.kv.{}.", namespace.name(), part.as_str()))
}

/// Deletes what is still the object that was listed, and answers what is gone.
async fn delete_all(
    store: &dyn ObjectStore,
    namespace: &Namespace,
    doomed: Vec<Meta>,
) -> (Vec<Meta>, Result<(), UpkeepError>) {
    let delete = |meta: Meta| async move {
        match store.delete(&meta.name, &meta.id).await {
            Ok(()) | Err(StoreError::Missing(_)) => Ok(Some(meta)),
            // Another object has its name by now: not the one that was seen.
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    };
    let mut deletions = stream::iter(doomed).map(delete).buffer_unordered(DELETE_PARALLEL);
    let (mut gone, mut outcome) = (Vec::new(), Ok(()));
    while let Some(deleted) = deletions.next().await {
        match deleted {
            Ok(meta) => gone.extend(meta),
            Err(source) => {
                outcome = Err(UpkeepError::Store { action: "delete", namespace: namespace.clone(), source });
            }
        }
    }
    (gone, outcome)
}

#[cfg(test)]
mod tests;
