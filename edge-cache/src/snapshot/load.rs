//! Reading: what a snapshot holds becomes what the cache holds, as old as it is by now. From then on it is judged like
//! everything else that is held: by age, by incarnation, by expiration.
//!
//! *A crash between two snapshots.* t0 a snapshot is saved with k = 1; t1 a put of k = 2 through this edge is
//! acknowledged; t2 the edge is killed; t3 it starts and loads k = 1. What was written since t0 is known to nobody here,
//! so all that is loaded is suspect: the first read of k asks the origin, and gets 1, marked stale, only where that
//! cannot be asked.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use nearkv::{Expiration, Freshness, Key, Metadata, Namespace, UnixMillis, Version};
use tokio::time::Instant;

use super::format::{EntryRecord, FormatError, Reader, Record, duration};
use crate::{
    cache::Shared,
    floor::Ticket,
    held::{Body, Found, Held, Proof},
    life::Life,
    settings::SNAPSHOT_BUFFER_BYTES,
    slot::Slot,
};

/// Before the first request, and so older than every write this edge will hear of.
const BEFORE_ALL: Ticket = Ticket(0);

/// Why nothing is loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("it is from {0:?} ahead of this machine's clock, so how old it is cannot be known")]
    FromTheFuture(Duration),
}

impl LoadError {
    /// The word in metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Format(error) => error.reason(),
            Self::FromTheFuture(_) => "from-the-future",
        }
    }
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Format(error.into())
    }
}

/// What was loaded.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loaded {
    pub(super) entries: u64,
    /// Keys, values, metadata and their overhead.
    pub(super) bytes: u64,
    /// How long ago it was saved.
    pub(super) away: Duration,
}

/// Whether the snapshot shows all that the edge had acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completeness {
    /// It was saved after the last request.
    Whole,
    /// Writes may have come after it.
    Behind,
}

/// Loads the snapshot at `path`; `None` if there is none. After an error the cache is empty.
pub(super) fn load<K>(
    shared: &Shared<K>,
    path: &Path,
    completeness: Completeness,
    now: UnixMillis,
) -> Result<Option<Loaded>, LoadError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let loaded = read(shared, file, completeness, now);
    if loaded.is_err() {
        // What was loaded before the damage was met may be sound, or not.
        shared.lives.clear();
        shared.cache.invalidate_all();
    }
    loaded.map(Some)
}

fn read<K>(
    shared: &Shared<K>,
    file: File,
    completeness: Completeness,
    now: UnixMillis,
) -> Result<Loaded, LoadError> {
    let (mut reader, saved_at_ms) = Reader::begin(BufReader::with_capacity(SNAPSHOT_BUFFER_BYTES, file))?;
    let saved_at = UnixMillis(saved_at_ms);
    if saved_at > now {
        return Err(LoadError::FromTheFuture(saved_at.since(now)));
    }
    let arrival = Arrival { at: Instant::now(), away: now.since(saved_at), completeness };
    let mut loaded = Loaded { away: arrival.away, ..Loaded::default() };
    let mut lives = Vec::new();
    while let Some((record, value)) = reader.next()? {
        match record {
            Record::Life { namespace, incarnation } => {
                let namespace: Namespace = namespace.parse().map_err(senseless)?;
                let incarnation = incarnation.parse().map_err(senseless)?;
                let life = shared.lives.enter(&namespace, incarnation, BEFORE_ALL);
                lives.push((namespace, life));
            }
            Record::Entry(entry) => {
                let place = usize::try_from(entry.life).ok().and_then(|place| lives.get(place));
                let Some((namespace, life)) = place else {
                    return Err(FormatError::Damaged("an entry names no KvNamespace").into());
                };
                let slot = Slot::entry(namespace, &Key::new(entry.key).map_err(senseless)?);
                let Some(life) = life else { continue };
                let held = arrival.held(life.clone(), &entry, value)?;
                let weight = u64::from(held.weight(&slot));
                // The file is read to its end even when the cache is full: only then is it known to be whole.
                if !held.has_expired(arrival.at) && loaded.bytes + weight <= shared.capacity() {
                    shared.cache.insert(slot, Arc::new(held));
                    loaded.entries += 1;
                    loaded.bytes += weight;
                }
            }
            // The reader gives out neither.
            Record::Head { .. } | Record::End { .. } => {}
        }
    }
    reader.finish()?;
    Ok(loaded)
}

/// When what was saved is held again.
struct Arrival {
    at: Instant,
    away: Duration,
    completeness: Completeness,
}

impl Arrival {
    fn held(&self, life: Arc<Life>, entry: &EntryRecord<'_>, value: &[u8]) -> Result<Held, FormatError> {
        let version = |number| Version::new(life.incarnation, number);
        let body = match &entry.found {
            Some(found) => Body::Found(Found {
                bytes: Bytes::copy_from_slice(value),
                metadata: found.metadata.map(Metadata::parse).transpose().map_err(senseless)?.flatten(),
                expiration: found.expiration.map(Expiration),
                version: version(found.version),
            }),
            None => Body::Absent,
        };
        let proof = Proof {
            ticket: BEFORE_ALL,
            sent: self.at,
            age: duration(entry.age_ms)? + self.away,
            time: UnixMillis(entry.origin_time_ms).plus(self.away),
            freshness: Freshness {
                max_age: duration(entry.max_age_ms)?,
                stale_if_error: duration(entry.stale_if_error_ms)?,
            },
        };
        let held = Held::new(life.clone(), body, version(entry.version), proof);
        let is_suspect = entry.suspect || self.completeness == Completeness::Behind;
        Ok(if is_suspect { held.suspected() } else { held })
    }
}

/// The checksum is right, and yet it is nothing that the contract allows.
fn senseless(error: nearkv::Error) -> FormatError {
    tracing::debug!(%error, "a record of a snapshot makes no sense");
    FormatError::Damaged("a record makes no sense")
}
