//! A part of the store that one watch shows (`follow/root_watch.rs`): since when all of it is known to have been heard of,
//! and whether anybody asks for it. Readers look here, the watch writes here.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use crate::store::WatchScope;

/// How long the first reader after a pause waits for the proof that the watch was not needed for meanwhile: two round
/// trips and a disk write, as a rule some 10 ms.
const WAKE_PATIENCE: Duration = Duration::from_millis(250);

/// One of them.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) part: WatchScope,
    /// Everything that had happened by then has been told to the followers; in µs of the steady clock, 0 for never.
    proven: AtomicU64,
    /// Somebody has read or written since the watch last looked.
    used: AtomicBool,
    /// Nobody has for so long that the watch proves nothing any more.
    idle: AtomicBool,
    /// Somebody asks again.
    pub(crate) woken: Notify,
    /// There is a newer proof.
    renewed: Notify,
}

impl Scope {
    pub(crate) fn new(part: WatchScope) -> Self {
        Self {
            part,
            proven: AtomicU64::new(0),
            used: AtomicBool::new(true),
            idle: AtomicBool::new(false),
            woken: Notify::new(),
            renewed: Notify::new(),
        }
    }

    /// Everything that had happened by `at` has been told to the followers.
    pub(crate) fn prove(&self, at: Duration) {
        self.proven.fetch_max(micros(at), Ordering::AcqRel);
        self.renew();
    }

    /// The KvNamespaces have newer proofs.
    pub(crate) fn renew(&self) {
        self.renewed.notify_waiters();
    }

    /// The latest of these moments.
    pub(crate) fn proven(&self) -> Duration {
        Duration::from_micros(self.proven.load(Ordering::Acquire))
    }

    /// Somebody reads or writes.
    pub(crate) fn touch(&self) {
        // Most find it set: all readers would write to one line of memory.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        if self.idle.load(Ordering::Acquire) {
            self.woken.notify_one();
        }
    }

    /// Somebody reads. After a pause it waits for the watch to be woken, not for long: an answer that is not proven says so.
    pub(crate) async fn ask(&self) {
        if !self.idle.load(Ordering::Acquire) {
            return self.touch();
        }
        let renewed = self.renewed.notified();
        tokio::pin!(renewed);
        renewed.as_mut().enable();
        self.touch();
        timeout(WAKE_PATIENCE, renewed).await.ok();
    }

    /// Whether anybody has asked since this was called last.
    pub(crate) fn take_use(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    /// The watch proves nothing any more until it is woken; or it does again.
    pub(crate) fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Ordering::Release);
    }
}

/// As the atomics have it.
pub(super) fn micros(at: Duration) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(u64::MAX)
}
