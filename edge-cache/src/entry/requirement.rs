//! What an answer must show for one read.

use nearkv::Version;

use super::CachedEntry;
use crate::coherence::Floor;

/// What an answer must show to satisfy one read, as of the read's beginning. A write that is acknowledged later
/// overlaps the read, so the read may miss it. Otherwise a key that is written more often than upstream answers could
/// never be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requirement {
    /// The writes this edge knows of.
    pub(crate) floor: Floor,
    /// The reader's `Nearkv-Min-Version`.
    pub(crate) reader: Option<Version>,
}

impl Requirement {
    /// Whether the answer satisfies the read.
    pub(crate) fn is_met_by(&self, cached: &CachedEntry) -> bool {
        !cached.incarnation.is_retired()
            && self.floor.admits(cached.version, cached.proof.ticket)
            && self.reader.is_none_or(|wanted| cached.version >= wanted)
    }
}
