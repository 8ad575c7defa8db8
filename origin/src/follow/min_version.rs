//! The snapshot that answers a read: the one in memory, or, for a reader that wants a newer state, the one that a read
//! of the root shows.

use std::sync::Arc;

use nearkv::{Error, ReadOptions, Version};

use crate::{Health, follow::follower::Follower, state::snapshot::Snapshot};

impl Follower {
    /// The snapshot that answers a read.
    ///
    /// # Errors
    /// `namespace-loading` (503) before the first load, the refusal of a damaged root, and `version-not-reached` (412)
    /// where the store has no state that new either.
    pub(crate) async fn readable(&self, options: &ReadOptions) -> Result<Arc<Snapshot>, Error> {
        let Some(view) = self.space.view() else {
            return Err(match self.space.health() {
                Health::Loading | Health::Ready => Error::namespace_loading(&self.space.namespace),
                health => self.space.damaged(&health),
            });
        };
        let reaches = |view: &Snapshot, wanted: Version| {
            wanted.incarnation == view.root.incarnation && wanted.number <= view.root.version
        };
        match options.min_version {
            Some(wanted) if !reaches(&view, wanted) => {
                let fresh = self.refresh().await?;
                if reaches(&fresh, wanted) {
                    Ok(fresh)
                } else {
                    Err(Error::version_not_reached(wanted, fresh.version()))
                }
            }
            _ => Ok(view),
        }
    }
}
