//! What answers a read: the snapshot in memory; or, for a reader that wants a newer state (`Nearkv-Min-Version`, design
//! §4), the one that the watch brings within a moment, or that one shared read of the root shows; or, where nothing may be
//! served that is older than the request (TTL 0), what such a read shows in any case.

use std::{sync::Arc, time::Duration};

use nearkv::{Error, ReadOptions, Version};
use tokio::time::{Instant, timeout};

use crate::{
    Health,
    follow::follower::Follower,
    settings::{FRESH_PATIENCE, WATCH_PATIENCE},
    state::{read::Reading, snapshot::Snapshot},
};

/// The last read of the root that readers have shared.
pub(crate) struct SharedRead {
    began: Instant,
    showed: Result<Arc<Snapshot>, Error>,
}

impl Follower {
    /// What answers a read.
    ///
    /// # Errors
    /// `namespace-loading` (503) before the first load, the refusal of a damaged root, and `version-not-reached` (412)
    /// where the store has no state that new either.
    pub(crate) async fn readable(&self, options: &ReadOptions) -> Result<Reading, Error> {
        let came = Instant::now();
        self.space.proof.scope().ask().await;
        if self.space.config().cache.ttl.is_zero() {
            // What could not be asked is answered from memory, and said to be stale.
            timeout(FRESH_PATIENCE, self.read_since(came)).await.ok();
        }
        // Before the snapshot, which may be newer than what is proven, but not the other way round.
        let proven = self.space.proof.latest();
        let Some(view) = self.space.view() else {
            return Err(match self.space.health() {
                Health::Loading | Health::Ready => Error::namespace_loading(&self.space.namespace),
                health => self.space.damaged(&health),
            });
        };
        match options.min_version {
            Some(wanted) if !reaches(&view, wanted) => self.newer(wanted, came).await,
            _ => Ok(Reading { snapshot: view, proven }),
        }
    }

    /// A state that reaches `wanted`: the one that the watch brings soon, or that a read of the root shows which was
    /// begun after this reader came.
    async fn newer(&self, wanted: Version, came: Instant) -> Result<Reading, Error> {
        let shown = match timeout(WATCH_PATIENCE, self.shown(wanted)).await {
            Ok(view) => view,
            Err(_) => self.read_since(came).await?,
        };
        let proven = self.space.proof.latest();
        let present = self.space.view().filter(|view| reaches(view, wanted));
        match present {
            Some(snapshot) => Ok(Reading { snapshot, proven }),
            // Another life of the data has begun since.
            None if reaches(&shown, wanted) => Ok(Reading { snapshot: shown, proven: Duration::ZERO }),
            None => Err(Error::version_not_reached(wanted, shown.version())),
        }
    }

    /// What a read of the root shows which was begun after `came`. Readers share such reads: while one is under way, all
    /// others wait for their turn, and the first of them reads for all.
    async fn read_since(&self, came: Instant) -> Result<Arc<Snapshot>, Error> {
        let mut last = self.shared_reads.lock().await;
        match &*last {
            Some(read) if read.began > came => read.showed.clone(),
            _ => {
                let began = Instant::now();
                let showed = self.refresh().await;
                *last = Some(SharedRead { began, showed: showed.clone() });
                showed
            }
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
