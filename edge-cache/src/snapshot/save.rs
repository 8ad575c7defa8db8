//! Writing: what the cache holds, entry by entry, into a file that takes its name only when it is whole and on disk.
//! Nothing is copied for it but one record's numbers; what is held is lent by the cache.

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
    held::{Body, Held},
    settings::{SNAPSHOT_ABANDONED_AFTER, SNAPSHOT_BUFFER_BYTES},
    slot::Slot,
};

/// What a file begins with that has not been finished.
const UNFINISHED: &str = ".unfinished-";

/// What could not be done, and to which file.
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
    // Its mode is 0600, and its name nobody else's, also where several edges share the folder.
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
    let (mut lives, mut weight) = (HashMap::new(), 0);
    for (slot, held) in &shared.cache {
        // Pages are left out: whether they are still true is judged by the log of writes, which is not kept.
        let Slot::Entry(namespace, key) = &*slot else { continue };
        if held.life.is_over() || held.has_expired(now) {
            continue;
        }
        // The cache changes while it is walked through, and what it let go may have been written already.
        weight += u64::from(held.weight(&slot));
        if weight > shared.capacity() {
            break;
        }
        let incarnation = held.life.incarnation;
        let next = u32::try_from(lives.len()).map_err(io::Error::other)?;
        let life = *lives.entry((namespace.clone(), incarnation)).or_insert(next);
        if life == next {
            writer.life(namespace.as_str(), &incarnation.to_string())?;
        }
        let (record, value) = record(life, key.as_str(), &held, now);
        writer.entry(record, value)?;
    }
    let (mut out, entries, bytes) = writer.finish()?;
    out.flush()?;
    Ok(Saved { entries, bytes })
}

fn record<'a>(life: u32, key: &'a str, held: &'a Held, now: Instant) -> (EntryRecord<'a>, &'a [u8]) {
    let (found, value) = match &held.body {
        Body::Found(found) => {
            let metadata = found.metadata.as_ref().map(nearkv::Metadata::as_str);
            let expiration = found.expiration.map(|expiration| expiration.0);
            (Some(FoundRecord { version: found.version.number, metadata, expiration }), &found.bytes[..])
        }
        Body::Absent | Body::Page(..) => (None, &[][..]),
    };
    let entry = EntryRecord {
        life,
        key,
        version: held.version.number,
        age_ms: millis(held.age(now)),
        origin_time_ms: held.time(now).0,
        max_age_ms: millis(held.proof.freshness.max_age),
        stale_if_error_ms: millis(held.proof.freshness.stale_if_error),
        suspect: held.suspect,
        found,
    };
    (entry, value)
}

/// Takes away what a killed process has left half written. That it cannot is told by the write that finds no room.
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
