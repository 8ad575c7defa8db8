//! Snapshots: the entries of the cache in a folder (`--snapshot-dir`), so that an edge does not start with an empty cache.
//! `save` writes, `load` reads, `format` is the file. This file schedules both and names the files.
//!
//! A snapshot contains neither tokens nor decisions about them: nothing of it is served without a new decision.

mod format;
mod load;
mod save;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use nearkv::{Clock, Kv};
use tokio::{
    task::spawn_blocking,
    time::{Instant, interval_at},
};
use tokio_util::sync::CancellationToken;

use self::load::Completeness;
use crate::{EdgeCache, settings::SNAPSHOT_INTERVAL, with_causes};

/// The snapshot of every interval. Writes may have come after it.
const LATEST: &str = "edge.snapshot";
/// The snapshot after the last request. An edge renames it before it loads it, so that it counts as complete only once.
const FINAL: &str = "edge.final.snapshot";

/// The folder with an edge's snapshots. Several edges of a region may share it: each loads the last one saved.
#[derive(Clone)]
pub struct Snapshots {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Snapshots {
    /// Snapshots in this folder. The first save creates it.
    #[must_use]
    pub fn new(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { folder, clock }
    }

    /// Fills a new cache from the snapshot. If it cannot be used, a log message says why, and the cache stays empty.
    pub async fn load<K: Kv>(&self, cache: &EdgeCache<K>) {
        let (own, shared) = (self.clone(), cache.shared.clone());
        let reading = spawn_blocking(move || {
            let path = own.folder.join(LATEST);
            let completeness = own.take_final(&path);
            let now = own.clock.now();
            (load::load(&shared, &path, completeness, now), path)
        });
        let metrics = &cache.shared.metrics.snapshots;
        match reading.await {
            Ok((Ok(Some(loaded)), path)) => {
                metrics.loaded(loaded.entries, loaded.bytes, loaded.away);
                cache.shared.warm.store(loaded.entries > 0, Ordering::Relaxed);
                let (entries, bytes, away) = (loaded.entries, loaded.bytes, loaded.away.as_secs());
                tracing::info!(path = %path.display(), entries, bytes, saved_seconds_ago = away, "loaded a snapshot");
            }
            Ok((Ok(None), path)) => {
                metrics.load_ended("none");
                tracing::info!(path = %path.display(), "there is no snapshot: beginning with an empty cache");
            }
            Ok((Err(error), path)) => {
                metrics.load_ended(error.reason());
                tracing::warn!(
                    path = %path.display(),
                    error = %with_causes(&error),
                    "failed to load the snapshot: beginning with an empty cache; the next save replaces the file"
                );
            }
            Err(error) => {
                metrics.load_ended("unreadable");
                tracing::error!(%error, "loading the snapshot broke off");
            }
        }
    }

    /// Saves at each interval until `stop`.
    pub async fn keep<K: Kv>(&self, cache: &EdgeCache<K>, stop: &CancellationToken) {
        let mut due = interval_at(Instant::now() + SNAPSHOT_INTERVAL, SNAPSHOT_INTERVAL);
        loop {
            tokio::select! {
                _ = due.tick() => self.save(cache, LATEST).await,
                () = stop.cancelled() => return,
            }
        }
    }

    /// Saves after the last request.
    pub async fn save_final<K: Kv>(&self, cache: &EdgeCache<K>) {
        self.save(cache, FINAL).await;
    }

    async fn save<K: Kv>(&self, cache: &EdgeCache<K>, name: &'static str) {
        let (own, shared) = (self.clone(), cache.shared.clone());
        let path = self.folder.join(name);
        let writing = spawn_blocking({
            let path = path.clone();
            move || {
                let at = own.clock.now();
                save::save(&shared, &path, at).map(|saved| (saved, at))
            }
        });
        let metrics = &cache.shared.metrics.snapshots;
        match writing.await {
            Ok(Ok((saved, at))) => {
                let (entries, bytes) = (saved.entries, saved.bytes);
                metrics.saved(entries, bytes, at);
                tracing::debug!(path = %path.display(), entries, bytes, "saved a snapshot");
            }
            Ok(Err(error)) => {
                metrics.save_failed();
                tracing::warn!(error = %with_causes(&error), "failed to save a snapshot: the one before stays");
            }
            Err(error) => {
                metrics.save_failed();
                tracing::error!(%error, "saving a snapshot broke off");
            }
        }
    }

    /// Renames a final snapshot to the latest.
    fn take_final(&self, latest: &Path) -> Completeness {
        let last = self.folder.join(FINAL);
        match fs::rename(&last, latest) {
            Ok(()) => Completeness::Complete,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Completeness::Behind,
            Err(error) => {
                let path = last.display();
                tracing::warn!(%path, %error, "failed to rename the final snapshot: the latest one is used");
                Completeness::Behind
            }
        }
    }
}
