//! Snapshots: what the cache holds, kept in a folder while the process is away (`--snapshot-dir`), so that an edge does
//! not begin cold. `save` writes, `load` reads, `format` is the file; this file says when, and under which names.
//!
//! Neither tokens nor what they permit is in a snapshot: before a decision nothing of it is served.

#[path = "../metrics/snapshots.rs"]
mod counts;
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

pub(crate) use self::counts::Counts;
use self::load::Completeness;
use crate::{EdgeCache, settings::SNAPSHOT_INTERVAL, with_causes};

/// What is saved from time to time. Writes may have come after it.
const LATEST: &str = "edge.snapshot";
/// What is saved after the last request. Whoever loads it renames it first, so that it is whole only once.
const FINAL: &str = "edge.final.snapshot";

/// The folder with an edge's snapshots. Several edges of a region may share it: each takes what was saved last.
#[derive(Clone)]
pub struct Snapshots {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Snapshots {
    /// Snapshots in this folder; it is made by the first save.
    #[must_use]
    pub fn new(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { folder, clock }
    }

    /// Fills a new cache with what was saved. What cannot be used is told in the log, and the cache is empty.
    pub async fn load<K: Kv>(&self, cache: &EdgeCache<K>) {
        let (own, shared) = (self.clone(), cache.shared.clone());
        let reading = spawn_blocking(move || {
            let path = own.folder.join(LATEST);
            let completeness = own.take_final(&path);
            let now = own.clock.now();
            (load::load(&shared, &path, completeness, now), path)
        });
        let counts = &cache.shared.metrics.snapshots;
        match reading.await {
            Ok((Ok(Some(loaded)), path)) => {
                counts.loaded(&loaded);
                cache.shared.warm.store(loaded.entries > 0, Ordering::Relaxed);
                let (entries, bytes, away) = (loaded.entries, loaded.bytes, loaded.away.as_secs());
                tracing::info!(path = %path.display(), entries, bytes, saved_seconds_ago = away, "loaded a snapshot");
            }
            Ok((Ok(None), path)) => {
                counts.not_loaded("none");
                tracing::info!(path = %path.display(), "there is no snapshot: beginning with an empty cache");
            }
            Ok((Err(error), path)) => {
                counts.not_loaded(error.reason());
                tracing::warn!(
                    path = %path.display(),
                    error = %with_causes(&error),
                    "failed to load the snapshot: beginning with an empty cache; the next save replaces the file"
                );
            }
            Err(error) => {
                counts.not_loaded("unreadable");
                tracing::error!(%error, "loading the snapshot broke off");
            }
        }
    }

    /// Saves from time to time until `stop`.
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
        let counts = &cache.shared.metrics.snapshots;
        match writing.await {
            Ok(Ok((saved, at))) => {
                counts.saved(&saved, at);
                let (entries, bytes) = (saved.entries, saved.bytes);
                tracing::debug!(path = %path.display(), entries, bytes, "saved a snapshot");
            }
            Ok(Err(error)) => {
                counts.not_saved();
                tracing::warn!(error = %with_causes(&error), "failed to save a snapshot: the one before stays");
            }
            Err(error) => {
                counts.not_saved();
                tracing::error!(%error, "saving a snapshot broke off");
            }
        }
    }

    /// Gives a final snapshot the name of the latest.
    fn take_final(&self, latest: &Path) -> Completeness {
        let last = self.folder.join(FINAL);
        match fs::rename(&last, latest) {
            Ok(()) => Completeness::Whole,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Completeness::Behind,
            Err(error) => {
                let path = last.display();
                tracing::warn!(%path, %error, "failed to rename the final snapshot: the latest one is used");
                Completeness::Behind
            }
        }
    }
}
