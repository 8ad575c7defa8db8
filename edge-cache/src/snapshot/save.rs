//! Saving: the cache's entries are written one by one to a file that gets its name only when it is complete and on disk.
//! No value is copied for it; the cache lends its entries.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use nearkv::UnixMillis;
use tokio::time::Instant;

use super::format::{EntryRecord, FoundRecord, Writer, millis};
use crate::{
    cache::Shared,
    coherence::CacheKey,
    entry::{Body, CachedEntry},
    settings::{SNAPSHOT_ABANDONED_AFTER, SNAPSHOT_BUFFER_BYTES},
};

/// The prefix of the name of an unfinished file.
const UNFINISHED: &str = ".unfinished-";

/// The action that failed, and its file.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} {}", path.display())]
pub(super) struct SaveError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SaveError {
    move |source| SaveError { action, path: path.to_owned(), source }
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saved {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// Writes a snapshot to `path`. Readable by its owner only: it holds values.
pub(super) fn save<K>(shared: &Shared<K>, path: &Path, at: UnixMillis) -> Result<Saved, SaveError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
    remove_abandoned(folder);
    // Its mode is 0600. Its name is unique, also if several edges share the folder.
    let file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)
        .map_err(failed("make a temporary file in", folder))?;
    let out = BufWriter::with_capacity(SNAPSHOT_BUFFER_BYTES, file.as_file());
    let saved = write(shared, out, at).map_err(failed("write", file.path()))?;
    file.as_file().sync_all().map_err(failed("flush to disk", file.path()))?;
    file.persist(path).map_err(|error| failed("replace", path)(error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("flush to disk", folder))?;
    Ok(saved)
}

fn write<K>(shared: &Shared<K>, out: impl Write, at: UnixMillis) -> io::Result<Saved> {
    let now = Instant::now();
    let mut writer = Writer::begin(out, at.0)?;
    let (mut incarnations, mut weight) = (HashMap::new(), 0);
    for (cache_key, cached) in &shared.cache {
        // Pages are left out: the log of writes decides whether they are still true, and it is not saved.
        let CacheKey::Entry(namespace, key) = &*cache_key else { continue };
        if cached.incarnation.is_retired() || cached.has_expired(now) {
            continue;
        }
        // The cache changes during the walk, and an entry that it evicted may have been written already.
        weight += u64::from(cached.weight(&cache_key));
        if weight > shared.capacity() {
            break;
        }
        let id = cached.incarnation.id;
        let next = u32::try_from(incarnations.len()).map_err(io::Error::other)?;
        let index = *incarnations.entry((namespace.clone(), id)).or_insert(next);
        if index == next {
            writer.incarnation(namespace.as_str(), &id.to_string())?;
        }
        let (record, value) = record(index, key.as_str(), &cached, now);
        writer.entry(record, value)?;
    }
    let (mut out, entries, bytes) = writer.finish()?;
    out.flush()?;
    Ok(Saved { entries, bytes })
}

fn record<'a>(
    incarnation: u32,
    key: &'a str,
    cached: &'a CachedEntry,
    now: Instant,
) -> (EntryRecord<'a>, &'a [u8]) {
    let (found, value) = match &cached.body {
        Body::Found(found) => {
            let metadata = found.metadata.as_ref().map(nearkv::Metadata::as_str);
            let expiration = found.expiration.map(|expiration| expiration.0);
            (Some(FoundRecord { version: found.version.number, metadata, expiration }), &found.bytes[..])
        }
        Body::Absent | Body::Page(..) => (None, &[][..]),
    };
    let entry = EntryRecord {
        incarnation,
        key,
        version: cached.version.number,
        age_ms: millis(cached.age(now)),
        origin_time_ms: cached.time(now).0,
        max_age_ms: millis(cached.proof.freshness.max_age),
        stale_if_error_ms: millis(cached.proof.freshness.stale_if_error),
        suspect: cached.suspect,
        found,
    };
    (entry, value)
}

/// Removes unfinished files of killed processes. If that fails, the write that finds no room reports it.
fn remove_abandoned(folder: &Path) {
    let now = SystemTime::now();
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_ours = file.file_name().to_string_lossy().starts_with(UNFINISHED);
        let changed = file.metadata().and_then(|metadata| metadata.modified());
        let is_old = changed.is_ok_and(|changed| {
            now.duration_since(changed).is_ok_and(|age| age >= SNAPSHOT_ABANDONED_AFTER)
        });
        if is_ours && is_old && fs::remove_file(file.path()).is_ok() {
            tracing::debug!(path = %file.path().display(), "removed a snapshot that was never finished");
        }
    }
}
