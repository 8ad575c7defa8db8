//! The numbers that tune the engine, together. Those that an operator of the program may want to change are
//! fields of [`Settings`]; the others are constants with their reason.

use std::time::Duration;

use crate::limits::{
    budget::{BUDGET_BYTES, BUDGET_OBJECTS},
    pacing::PacingSettings,
};

/// Encoded root, inline records included, beyond which a commit spills the inline records into a segment.
/// Below it a commit is one write; above it a swap costs more than the second object does (design §6).
pub(crate) const INLINE_ROOT_BYTES: usize = 14 * 1024;
/// Most bytes of record lines in one commit: four full segments, which are created side by side.
pub(crate) const BATCH_BYTES: usize = 4 * crate::format::PART_BYTES;
/// Most writes in one commit: judging them stays below a few milliseconds.
pub(crate) const BATCH_WRITES: usize = 4096;
/// What a large bulk is given time for beyond the deadline of a write.
pub(crate) const BULK_BYTES_PER_SECOND: usize = 256 * 1024;
/// Share of the last commit's duration that the next one may wait for writes to gather. Clients that were just
/// answered send their next write within a fraction of a commit; without the wait they miss the batch.
pub(crate) const GATHER_SHARE: u32 = 2;
/// Longest such wait, whatever the last commit took.
pub(crate) const GATHER_MOST: Duration = Duration::from_millis(10);
/// Commits closer to each other than this are a run of writes, whose next commit is prepared. Far less than the
/// age at which what was prepared could not be used any more.
pub(crate) const BUSY: Duration = Duration::from_secs(1);
/// First pause after a lost swap, jittered, doubled with every further one.
pub(crate) const CONFLICT_PAUSE: Duration = Duration::from_millis(2);
/// Longest pause after a lost swap: no write waits more than a second for fairness (invariant 3).
pub(crate) const CONFLICT_PAUSE_MOST: Duration = Duration::from_millis(50);
/// Gap that a winner leaves when it has just seen another replica's commit, so that the other gets its turn.
/// As long as the last commit took, at least this.
pub(crate) const FAIR_GAP: Duration = Duration::from_millis(3);
/// Longest such gap.
pub(crate) const FAIR_GAP_MOST: Duration = Duration::from_millis(50);
/// First pause before an unknown outcome is looked at again, doubled each time.
pub(crate) const UNKNOWN_PAUSE: Duration = Duration::from_millis(20);
/// Longest such pause.
pub(crate) const UNKNOWN_PAUSE_MOST: Duration = Duration::from_millis(500);
/// How long a process's entry among the root's writers is kept since it was last seen to change (invariant 5).
pub(crate) const WRITER_KEPT: Duration = Duration::from_secs(600);
/// Most entries among the root's writers: beyond it the oldest go early, so that a crash loop cannot fill the root.
pub(crate) const WRITERS_MOST: usize = 48;
/// How long after a swap was sent the absence of the own entry proves that it was not committed: far less than
/// any entry is kept, however many processes come and go.
pub(crate) const ABSENCE_PROVES: Duration = Duration::from_secs(60);
/// How often a repair is tried upon another root because the one it stood upon was replaced.
pub(crate) const REPAIR_ATTEMPTS: usize = 100;
/// Shortest time between two inventories, which are lists of the metadata of all parts: as long as a lost part may go unseen.
/// Far less than a grace.
pub(crate) const INVENTORY_EVERY: Duration = Duration::from_secs(30);
/// Longest such time: a fifth of the default grace, so that garbage goes within two graces, however much there is.
pub(crate) const INVENTORY_EVERY_MOST: Duration = Duration::from_secs(120);
/// Objects that the inventory lists per second, on the average: one page of the cluster's lists, which takes an API server
/// some milliseconds of a core. 100,000 objects are listed in 200 pages every two minutes.
pub(crate) const INVENTORY_OBJECTS_PER_SECOND: u64 = 500;
/// With a short grace the inventory is taken this many times within it.
pub(crate) const INVENTORY_ROUNDS_PER_GRACE: u32 = 4;
/// Pause after an inventory that failed.
pub(crate) const INVENTORY_RETRY: Duration = Duration::from_secs(5);
/// Shortest time between two looks at a KvNamespace that is not well, and between two audits of its parts: they pass over
/// inventories that follow each other quickly, as with a short grace or after deletions, and no other.
pub(crate) const RECHECK_EVERY: Duration = Duration::from_secs(15);
/// What a replica that holds a lost part needs to write it again, once its audit has found the loss.
const HEALING: Duration = Duration::from_millis(22_500);
/// Segments in the root at which every replica folds, also one that is not the maintainer.
pub(crate) const FULL_SEGMENTS: usize = 16;
/// Time between two swaps of the canary while anybody reads or writes: the age that answers have while all is well. A swap
/// is some 600 bytes to the store.
pub(crate) const CANARY_EVERY: Duration = Duration::from_secs(1);
/// Shortest such time, for KvNamespaces with a low TTL.
pub(crate) const CANARY_EVERY_LEAST: Duration = Duration::from_millis(250);
/// Proofs within the lowest TTL, so that one that fails leaves time for the next.
pub(crate) const PROOFS_PER_TTL: u32 = 4;
/// After so long without a read or a write a scope is idle (design §7).
pub(crate) const IDLE_AFTER: Duration = Duration::from_secs(60);
/// Time between two swaps of an idle replica's canary. They say that it is there; the alert on proofs waits 30 s.
pub(crate) const IDLE_EVERY: Duration = Duration::from_secs(20);
/// Most objects that a canary names as missing: more are told once some of these are there again.
pub(crate) const LOSSES_REPORTED: usize = 16;
/// How long a read of a KvNamespace with TTL 0 waits for the root before it is answered from memory, as stale.
pub(crate) const FRESH_PATIENCE: Duration = Duration::from_secs(1);
/// How long the watch may tell of an older root than memory has: it is some milliseconds late as a rule. After this the root
/// is read.
pub(crate) const WATCH_LATE: Duration = Duration::from_secs(2);
/// How long a reader who wants a newer state than memory has waits for the watch before the root is read: the watch is
/// some milliseconds late as a rule, and a read of the root costs the API server more than an event.
pub(crate) const WATCH_PATIENCE: Duration = Duration::from_millis(50);
/// Pause before a KvNamespace whose tasks have failed is loaded anew.
pub(crate) const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// Pause before a load that failed is tried again, doubled up to [`RELOAD_PAUSE_MOST`].
pub(crate) const RELOAD_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause.
pub(crate) const RELOAD_PAUSE_MOST: Duration = Duration::from_secs(5);
/// Most live looks for unknown KvNamespaces at a time (design §4: never cached).
pub(crate) const LOOKS_AT_ONCE: usize = 4;
/// How long the first request for a KvNamespace that was unknown until then waits for its data, before its own time
/// begins: a load takes some hundred milliseconds as a rule, and later ones are told that it goes on.
pub(crate) const LOAD_PATIENCE: Duration = Duration::from_secs(2);
/// Most changes a slow listener may be behind before it is told to look at everything.
pub(crate) const CHANGES_KEPT: usize = 1024;

/// The time between two inventories of so many objects, without jitter.
#[must_use]
pub(crate) fn inventory_every(objects: u64) -> Duration {
    Duration::from_secs(objects / INVENTORY_OBJECTS_PER_SECOND).clamp(INVENTORY_EVERY, INVENTORY_EVERY_MOST)
}

/// How long a loss has been known before a repair gives it up, where there are so many objects: the audit of a replica that
/// holds what is lost (at each inventory, with its jitter of a quarter) has then found it, and has had time to write it again.
#[must_use]
pub(crate) fn others_heal(objects: u64) -> Duration {
    inventory_every(objects) * 5 / 4 + HEALING
}

/// What an operator of the program can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long the collector sees an object unreachable before it deletes it; a writer's own objects must be
    /// younger than half of it when the root names them (invariant 6).
    pub grace: Duration,
    /// How long a write may take from its arrival to its answer.
    pub write_deadline: Duration,
    /// Most writes that wait for a commit, per KvNamespace; one more is 429.
    pub queue_writes: usize,
    /// Most bytes of records that wait, per KvNamespace.
    pub queue_bytes: usize,
    /// Most bytes that all KvNamespaces together may take in the store, garbage included.
    pub budget_bytes: u64,
    /// Most objects.
    pub budget_objects: u64,
    /// What this process may send to the store; `None` for no limit.
    pub pacing: Option<PacingSettings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(600),
            write_deadline: Duration::from_secs(10),
            queue_writes: 20_000,
            queue_bytes: 16 * 1024 * 1024,
            budget_bytes: BUDGET_BYTES,
            budget_objects: BUDGET_OBJECTS,
            pacing: Some(PacingSettings::default()),
        }
    }
}
