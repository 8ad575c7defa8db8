//! What a checkpoint may do while a part is lost. A lost page stays as it is, for who may put it back, and the other pages
//! are written as ever; but only while the log that the checkpoint drops says nothing of the keys of that page, since
//! nothing could hold it then. While a segment is lost there is no checkpoint: it would drop the segment.

use futures::{StreamExt, stream};
use nearkv::Key;

use crate::{
    format::{Manifest, SegmentRef, Versioned},
    parts::{loader::FETCH_PARALLEL, pages::LostPages, writer::PartWriter},
    state::damage::{Damage, Lost},
    upkeep::{UpkeepError, View},
};

/// The pages that a checkpoint of `snapshot`, whose root names `base`, has to leave as they are; `None` where it has to
/// wait until what is lost is back, or given up by a repair. Reads the log, if a page is lost.
///
/// # Errors
/// [`UpkeepError::Load`].
pub(crate) async fn lost_pages(
    part_writer: &PartWriter,
    snapshot: &dyn View,
    base: &Manifest,
) -> Result<Option<LostPages>, UpkeepError> {
    let open: Vec<&Damage> = snapshot.damage().iter().filter(|damage| damage.is_open()).collect();
    let page = |damage: &&Damage| match &damage.lost {
        Lost::Page(page, _) => Some(page.page.clone()),
        Lost::Manifest(_) | Lost::Segment(_) => None,
    };
    let pages: LostPages = open.iter().filter_map(page).collect();
    if pages.len() < open.len() {
        return Ok(None);
    }
    let is_lost = |key: &Key| open.iter().any(|damage| damage.covers(key));
    if pages.is_empty() {
        return Ok(Some(pages));
    }
    let root = snapshot.root();
    let may_touch = |damage: &&Damage, segment: &_| damage.may_share_keys(segment);
    let segments = base.segments.iter().chain(&root.segments).filter(|segment| {
        segment.last() > base.checkpoint && open.iter().any(|damage| may_touch(damage, segment))
    });
    let touches = |of: &Versioned| of.version > base.checkpoint && is_lost(of.record.key());
    if root.versioned().any(|of| touches(&of)) || snapshot.entries().any(|entry| is_lost(&entry.put.key)) {
        return Ok(None);
    }
    let loader = part_writer.loader();
    let segments: Vec<SegmentRef> = segments.cloned().collect();
    let read = |segment: SegmentRef| {
        let loader = loader.clone();
        async move { loader.segment(&segment).await }
    };
    let mut read = stream::iter(segments).map(read).buffered(FETCH_PARALLEL);
    while let Some(records) = read.next().await {
        if records?.iter().any(touches) {
            return Ok(None);
        }
    }
    Ok(Some(pages))
}
