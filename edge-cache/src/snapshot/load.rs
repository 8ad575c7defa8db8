//! Loading: the entries of a snapshot enter the cache with the age they have by now. From then on age, incarnation and
//! expiration decide about them as about all cached answers.
//!
//! *A crash between two snapshots.* t0 a snapshot is saved with k = 1. t1 a put of k = 2 through this edge is
//! acknowledged. t2 the edge is killed. t3 it starts and loads k = 1. It does not know what was written since t0, so all
//! loaded entries are suspect: the first read of k asks the origin. It gets 1, marked stale, only if the origin cannot
//! be asked.

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
    coherence::{CacheKey, IncarnationState, Ticket},
    entry::{Body, CachedEntry, Found, Proof},
    settings::SNAPSHOT_BUFFER_BYTES,
};

/// Before the first request, and so before every write this edge can get an answer to.
const BEFORE_ALL: Ticket = Ticket(0);

/// Why the snapshot was not loaded.
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

/// Whether the snapshot shows all writes that the edge had acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completeness {
    /// It was saved after the last request.
    Complete,
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
        // The entries loaded before the damage may be wrong too.
        shared.incarnations.clear();
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
    let restored = Restored { at: Instant::now(), away: now.since(saved_at), completeness };
    let mut loaded = Loaded { away: restored.away, ..Loaded::default() };
    let mut incarnations = Vec::new();
    while let Some((record, value)) = reader.next()? {
        match record {
            Record::Incarnation { namespace, incarnation } => {
                let namespace: Namespace = namespace.parse().map_err(invalid)?;
                let incarnation = incarnation.parse().map_err(invalid)?;
                let incarnation = shared.incarnations.admit(&namespace, incarnation, BEFORE_ALL);
                incarnations.push((namespace, incarnation));
            }
            Record::Entry(entry) => {
                let index = usize::try_from(entry.incarnation).ok();
                let Some((namespace, incarnation)) = index.and_then(|index| incarnations.get(index)) else {
                    return Err(FormatError::Damaged("an entry names no KvNamespace").into());
                };
                let cache_key = CacheKey::entry(namespace, &Key::new(entry.key).map_err(invalid)?);
                let Some(incarnation) = incarnation else { continue };
                let cached = restored.entry(incarnation.clone(), &entry, value)?;
                let weight = u64::from(cached.weight(&cache_key));
                // The file is read to its end also if the cache is full: only then is it known to be complete.
                if !cached.has_expired(restored.at) && loaded.bytes + weight <= shared.capacity() {
                    shared.cache.insert(cache_key, Arc::new(cached));
                    loaded.entries += 1;
                    loaded.bytes += weight;
                }
            }
            // The reader returns neither.
            Record::Head { .. } | Record::End { .. } => {}
        }
    }
    reader.finish()?;
    Ok(loaded)
}

/// The moment at which the entries enter the cache again.
struct Restored {
    at: Instant,
    away: Duration,
    completeness: Completeness,
}

impl Restored {
    fn entry(
        &self,
        incarnation: Arc<IncarnationState>,
        record: &EntryRecord<'_>,
        value: &[u8],
    ) -> Result<CachedEntry, FormatError> {
        let version = |number| Version::new(incarnation.id, number);
        let body = match &record.found {
            Some(found) => Body::Found(Found {
                bytes: Bytes::copy_from_slice(value),
                metadata: found.metadata.map(Metadata::parse).transpose().map_err(invalid)?.flatten(),
                expiration: found.expiration.map(Expiration),
                version: version(found.version),
            }),
            None => Body::Absent,
        };
        let proof = Proof {
            ticket: BEFORE_ALL,
            sent: self.at,
            age: duration(record.age_ms)? + self.away,
            time: UnixMillis(record.origin_time_ms).plus(self.away),
            freshness: Freshness {
                max_age: duration(record.max_age_ms)?,
                stale_if_error: duration(record.stale_if_error_ms)?,
            },
        };
        let cached = CachedEntry::new(incarnation.clone(), body, version(record.version), proof);
        let is_suspect = record.suspect || self.completeness == Completeness::Behind;
        Ok(if is_suspect { cached.suspected() } else { cached })
    }
}

/// The checksum is right, but the contract does not allow the content.
fn invalid(error: nearkv::Error) -> FormatError {
    tracing::debug!(%error, "a record of a snapshot makes no sense");
    FormatError::Damaged("a record makes no sense")
}
