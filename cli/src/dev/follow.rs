//! Follows manifest files: tells that something at the paths has changed, once for every burst of changes. An
//! editor writes a file in several steps, and `git checkout` many files; half of a burst is never read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long nothing may change before a burst is over: longer than between the steps of an editor's save.
const QUIET: Duration = Duration::from_millis(200);

/// Watches files and folders for as long as it lives.
pub(super) struct Follower {
    changed: mpsc::Receiver<()>,
    in_burst: bool,
    /// Held for its thread and its handles.
    _watcher: RecommendedWatcher,
}

/// Why files cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("failed to watch {} for changes: {source}", path.display())]
pub struct FollowError {
    path: PathBuf,
    source: notify::Error,
}

impl Follower {
    /// Starts to follow `paths`. A file is followed through its folder, as editors replace files by new ones.
    ///
    /// # Errors
    /// If the system refuses to watch one of them.
    pub(super) fn new(paths: &[PathBuf]) -> Result<Self, FollowError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| FollowError { path, source }
        };
        // One message says all: when there is one already, its reader has yet to look.
        let (tell, changed) = mpsc::channel(1);
        let watched: Vec<PathBuf> = paths.to_vec();
        let handler = move |event: notify::Result<notify::Event>| {
            // An error, too, means that something may have been missed.
            if event.is_ok_and(|event| !concerns(&event, &watched)) {
                return;
            }
            let _ = tell.try_send(());
        };
        let mut watcher = notify::recommended_watcher(handler).map_err(failed(Path::new(".")))?;
        let mut folders: Vec<&Path> = paths.iter().map(|path| folder_of(path)).collect();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive).map_err(failed(folder))?;
        }
        Ok(Self { changed, in_burst: false, _watcher: watcher })
    }

    /// Returns after a burst of changes. Cancel safe: a burst that was given up is waited for by the next call.
    pub(super) async fn changed(&mut self) {
        if !self.in_burst && self.changed.recv().await.is_none() {
            // The watcher holds the sender as long as this lives.
            return std::future::pending().await;
        }
        self.in_burst = true;
        while let Ok(Some(())) = timeout(QUIET, self.changed.recv()).await {}
        self.in_burst = false;
    }
}

/// The folder in which changes of `path` show.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        _ if path.is_dir() => path,
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether an event may change what is read at `paths`. Reading is an event too, and must not lead to reading.
fn concerns(event: &notify::Event, paths: &[PathBuf]) -> bool {
    let in_folder_or_file =
        |changed: &PathBuf| paths.iter().any(|path| path.is_dir() || path.file_name() == changed.file_name());
    !matches!(event.kind, EventKind::Access(_))
        && (event.paths.is_empty() || event.paths.iter().any(in_folder_or_file))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any notice takes on a busy machine.
    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_file_that_is_replaced_is_still_followed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "1").unwrap();
        let mut follower = Follower::new(std::slice::from_ref(&file)).unwrap();
        for content in ["2", "3"] {
            let new = folder.path().join("a.yaml.new");
            std::fs::write(&new, content).unwrap();
            std::fs::rename(&new, &file).unwrap();
            timeout(LIMIT, follower.changed()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_burst_that_was_given_up_is_told_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut follower = Follower::new(&[folder.path().to_path_buf()]).unwrap();
        std::fs::write(folder.path().join("a.yaml"), "1").unwrap();
        while !follower.in_burst {
            assert!(timeout(QUIET / 4, follower.changed()).await.is_err(), "it is not over yet");
        }
        timeout(LIMIT, follower.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn reading_a_folder_is_no_change_of_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "1").unwrap();
        let mut follower = Follower::new(&[folder.path().to_path_buf()]).unwrap();
        std::fs::read(folder.path().join("a.yaml")).unwrap();
        std::fs::write(folder.path().join("b.yaml"), "1").unwrap();
        timeout(LIMIT, follower.changed()).await.unwrap();
        std::fs::read(folder.path().join("a.yaml")).unwrap();
        assert!(timeout(2 * QUIET, follower.changed()).await.is_err(), "it tells of its own reading");
    }
}
