//! The snapshot that answers a read: the one in memory, or, for a reader that wants a newer state (`Nearkv-Min-Version`,
//! design §4), the one that the watch brings within a moment, or that one shared read of the root shows.

use std::sync::Arc;

use nearkv::{Error, ReadOptions, Version};
use tokio::time::{Instant, timeout};

use crate::{Health, follow::follower::Follower, settings::WATCH_PATIENCE, state::snapshot::Snapshot};

/// The last read of the root for readers who wanted a newer state.
pub(crate) struct VersionRead {
    began: Instant,
    showed: Result<Arc<Snapshot>, Error>,
}

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
        match options.min_version {
            Some(wanted) if !reaches(&view, wanted) => self.newer(wanted).await,
            _ => Ok(view),
        }
    }

    /// A snapshot that reaches `wanted`: the one that the watch brings soon, or that a read of the root shows which was
    /// begun after this reader came. Readers share such reads: while one is under way, all others wait for their turn, and
    /// the first of them reads for all.
    async fn newer(&self, wanted: Version) -> Result<Arc<Snapshot>, Error> {
        let came = Instant::now();
        if let Ok(view) = timeout(WATCH_PATIENCE, self.shown(wanted)).await {
            return Ok(view);
        }
        let mut last = self.version_reads.lock().await;
        let present = self.space.view().filter(|view| reaches(view, wanted));
        let fresh = match (present, &*last) {
            (Some(view), _) => return Ok(view),
            (None, Some(read)) if read.began > came => read.showed.clone(),
            _ => {
                let began = Instant::now();
                let showed = self.refresh().await;
                *last = Some(VersionRead { began, showed: showed.clone() });
                showed
            }
        }?;
        if reaches(&fresh, wanted) {
            Ok(fresh)
        } else {
            Err(Error::version_not_reached(wanted, fresh.version()))
        }
    }

    /// Waits until memory reaches `wanted`.
    async fn shown(&self, wanted: Version) -> Arc<Snapshot> {
        loop {
            let published = self.space.published.notified();
            tokio::pin!(published);
            published.as_mut().enable();
            if let Some(view) = self.space.view().filter(|view| reaches(view, wanted)) {
                return view;
            }
            published.await;
        }
    }
}

fn reaches(view: &Snapshot, wanted: Version) -> bool {
    wanted.incarnation == view.root.incarnation && wanted.number <= view.root.version
}
