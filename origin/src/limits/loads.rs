//! How many KvNamespaces a process reads into memory at a time. At a start all of them want to be read at once, which would
//! take the memory of all their undecoded parts and the whole API server. They take turns, first come, first served. One that
//! a client asks for has a queue of its own, so that it does not wait for all the others.

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// KvNamespaces that are loaded side by side at most. Each has up to 32 parts of 64 KiB in flight or decoded, some 6 MiB, and
/// keeps two cores of an API server busy by itself if it is large; where they are small, their round trips overlap.
pub(crate) const LOADS_AT_ONCE: usize = 6;
/// The same beside them, of those that a client asks for.
pub(crate) const ASKED_FOR_AT_ONCE: usize = 2;
/// Roots that are read side by side at most for KvNamespaces of which memory has nothing yet. A read takes an API server less
/// than a millisecond of a core, so 5000 are read in some seconds.
pub(crate) const FIRST_READS_AT_ONCE: usize = 16;

/// The turns. Whoever holds one waits for nothing but the store.
#[derive(Debug)]
pub(crate) struct Loads {
    background: Semaphore,
    asked_for: Semaphore,
    first_reads: Semaphore,
}

impl Loads {
    /// Waits for the turn to load a KvNamespace; in both queues from the moment on at which it is `wanted`.
    pub(crate) async fn turn(&self, wanted: &Notify) -> Option<SemaphorePermit<'_>> {
        let background = self.background.acquire();
        tokio::pin!(background);
        let turn = tokio::select! {
            biased;
            turn = &mut background => turn,
            () = wanted.notified() => tokio::select! {
                biased;
                turn = &mut background => turn,
                turn = self.asked_for.acquire() => turn,
            },
        };
        turn.ok()
    }

    /// Waits for the turn to read the root of a KvNamespace for the first time.
    pub(crate) async fn first_read(&self) -> Option<SemaphorePermit<'_>> {
        self.first_reads.acquire().await.ok()
    }
}

impl Default for Loads {
    fn default() -> Self {
        Self {
            background: Semaphore::new(LOADS_AT_ONCE),
            asked_for: Semaphore::new(ASKED_FOR_AT_ONCE),
            first_reads: Semaphore::new(FIRST_READS_AT_ONCE),
        }
    }
}
