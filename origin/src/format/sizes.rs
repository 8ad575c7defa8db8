//! What the log and the pages of a KvNamespace take: what a checkpoint is decided by, and what metrics show. Pure.

use crate::format::{Manifest, Root};

/// Bytes of lines, and the objects that hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Bytes of the log's segments, those in the root included. The records inline in the root are not among them.
    pub(crate) log: u64,
    /// Bytes of the pages.
    pub(crate) pages: u64,
    /// Segments of the log.
    pub(crate) segments: u64,
}

impl Sizes {
    /// Of what `root` names; `manifest` is the one that it names.
    #[must_use]
    pub(crate) fn of(root: &Root, manifest: &Manifest) -> Self {
        let segments = || manifest.segments.iter().chain(&root.segments);
        Self {
            log: segments().map(|segment| segment.bytes).sum(),
            pages: manifest.pages.iter().map(|page| page.bytes).sum(),
            segments: segments().count() as u64,
        }
    }
}
