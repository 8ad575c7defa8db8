//! The settings of an edge cache, and every number that tunes it, with unit and reason.

use std::time::Duration;

/// The settings of an edge cache.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Most bytes of keys, values, metadata and their overhead in memory.
    pub cache_bytes: u64,
}

impl Default for Settings {
    /// 256 MiB: the default of `--cache-size` (design §9).
    fn default() -> Self {
        Self { cache_bytes: 256 * 1024 * 1024 }
    }
}

/// Bytes counted for each cached answer beside its key, value and metadata: the cache key, the cache's own node, its
/// place in the frequency sketch and the two queues, and the allocator's rounding.
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = 416;
/// Bytes counted for each key on a cached page of a list beside its name and metadata.
pub(crate) const LISTED_OVERHEAD_BYTES: usize = 88;

/// Past this part of its time to live (in quarters) the next read starts a refresh in the background: with
/// the default of 60 s that leaves 15 s for it, many times a slow answer.
pub(crate) const REFRESH_AFTER_QUARTERS: u32 = 3;
/// Longest time a read with a stale copy waits for the origin, counted from the start of the fetch (design §7).
pub(crate) const STALE_PATIENCE: Duration = Duration::from_secs(1);
/// Longest time a read waits for the probe of an origin that is down. What is not cached must be refused within 20 ms
/// then (design §7).
pub(crate) const PROBE_PATIENCE: Duration = Duration::from_millis(10);
/// Pause after a refresh that returned nothing new before the next one of the same key, so that an upstream in trouble
/// gets one request per second and key, not one per read.
pub(crate) const REFRESH_PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for the head of an answer. A live read of a root through a slow API server takes less.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the rest of a value: 25 MiB at 5 Mbit/s.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(45);

/// An acknowledged put of at most this many bytes replaces the cached answer. A larger one drops it, because its bytes
/// stream through.
pub(crate) const STORED_PUT_BYTES: usize = 4 * 1024;
/// Most fetches one read starts before it gives up on an upstream that keeps answering with states older than
/// what it was asked for.
pub(crate) const FETCHES_PER_READ: usize = 3;
/// Most keys of one bulk get that are fetched from upstream at a time.
pub(crate) const BULK_FETCHES: usize = 32;

/// Most keys of one bulk write that are listed, at up to half a kilobyte each: a bulk of the contract's largest size.
pub(crate) const MAX_BULK_KEYS_LISTED: usize = 10_000;

/// Time between two snapshots. With a full cache of 256 MiB that is less than 1 MiB/s to the disk; what a snapshot has
/// missed costs one conditional request per key after a crash.
pub(crate) const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(300);
/// A snapshot that was begun so long ago and not finished was left by a killed process: 1 GiB at 5 MB/s takes less.
pub(crate) const SNAPSHOT_ABANDONED_AFTER: Duration = Duration::from_secs(600);
/// Memory for writing or reading a snapshot, beside one entry: few calls of the system, and no more in memory.
pub(crate) const SNAPSHOT_BUFFER_BYTES: usize = 256 * 1024;

/// Failures in a row that open the circuit. A single one may be a replica that restarts.
pub(crate) const CIRCUIT_FAILURES: u32 = 3;
/// A single request without an answer for this long opens the circuit, if no other was answered meanwhile. A connection
/// to an unused address fails after as long.
pub(crate) const CIRCUIT_SILENCE: Duration = Duration::from_secs(1);
/// How long an open circuit refuses before it lets one request through.
pub(crate) const CIRCUIT_COOLDOWN: Duration = Duration::from_secs(1);

/// Parts of the table of floors and fetches in flight, each with a lock of its own.
pub(crate) const STRIPES: usize = 64;
/// Most floors in one stripe (about 128 bytes each); one more and they are folded into their KvNamespaces.
pub(crate) const FLOORS_PER_STRIPE: usize = 1024;
/// Most writes of a KvNamespace in the log that decides about its cached lists.
pub(crate) const WRITES_REMEMBERED: usize = 1024;
/// Most earlier incarnations of a KvNamespace that are remembered, to refuse their late answers.
pub(crate) const INCARNATIONS_REMEMBERED: usize = 8;
