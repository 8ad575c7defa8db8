//! [`Committer`]: the only writer of one KvNamespace's root in this process. Clients, the controller and upkeep submit
//! requests; `commit/mod.rs` takes them from the queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nearkv::{Error, Reason};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tracing::Span;

use crate::{
    commit::{
        batch::Batch,
        inline_lines::InlineLines,
        queue::{NotTaken, Queue},
        request::{Operation, Request, Verdict},
    },
    follow::follower::Follower,
    format::root_name,
    limits::pacing::{ENVELOPE_BYTES, whose},
    parts::age::Age,
    settings::BULK_BYTES_PER_SECOND,
    state::space::Space,
};

/// Commits what is submitted for one KvNamespace.
pub(crate) struct Committer {
    pub(crate) space: Arc<Space>,
    pub(crate) follower: Arc<Follower>,
    pub(crate) queue: Queue,
    /// This committer among the writers of a root. Another life of the KvNamespace in the same process counts its batches
    /// anew, while batches of this one may still be in flight, so the process has no name of its own.
    pub(crate) writer: String,
    batches: AtomicU64,
    /// This committer among those that wait for the pace.
    pub(crate) who: Arc<str>,
    /// Bytes that the last commit sent: what the next one is reckoned to send.
    pub(crate) reckoned: AtomicU64,
    /// What the next commit need not encode again.
    pub(crate) lines: InlineLines,
}

impl Committer {
    pub(crate) fn new(space: Arc<Space>, follower: Arc<Follower>) -> Arc<Self> {
        Arc::new(Self {
            queue: Queue::new(&space.context.settings),
            writer: space.context.random.hex128(),
            batches: AtomicU64::new(0),
            who: whose(&root_name(&space.namespace)),
            reckoned: AtomicU64::new(ENVELOPE_BYTES),
            lines: InlineLines::default(),
            space,
            follower,
        })
    }

    /// Refuses what waits, and everything after it.
    pub(crate) fn close(&self, refusal: &Error) {
        Batch::new(self.queue.close(refusal)).refuse(refusal);
    }

    pub(crate) fn next_batch(&self) -> u64 {
        self.batches.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Queues a request and waits for its verdict, in the queue at most until its deadline. A caller that goes away meanwhile
    /// does not stop the request.
    pub(crate) async fn submit(&self, operation: Operation, objects: Option<Age>) -> Result<Verdict, Error> {
        self.space.proof.scope().touch();
        let (reply, mut answer) = oneshot::channel();
        let deadline = Instant::now() + self.patience(operation.weight() as u64);
        let request = Request { operation, deadline, objects, span: Span::current(), reply: Some(reply) };
        let number = self.queue.push(request).map_err(|refusal| match refusal {
            NotTaken::Full => Error::new(
                Reason::Throttled,
                format!("Too many writes to KvNamespace {} are waiting", self.space.namespace),
            )
            .with_retry_after(self.space.context.pace.delay().max(Duration::from_secs(1))),
            NotTaken::Closed(refusal) => refusal,
        })?;
        let answered = match timeout_at(deadline, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if self.queue.withdraw(number) => return Err(self.late()),
            // It is being committed, and the commit answers by the deadline what is known by then.
            Err(_) => answer.await,
        };
        answered.unwrap_or_else(|_| {
            Err(Error::new(
                Reason::OutcomeUnknown,
                "The write was given up by a shutdown; it may have happened",
            ))
        })
    }

    /// The answer of a write that has not been sent by its deadline.
    pub(crate) fn late(&self) -> Error {
        match self.space.context.pace.delay() {
            Duration::ZERO => Error::new(
                Reason::Unavailable,
                "The write could not be committed in time; nothing was written",
            )
            .with_retry_after(Duration::from_secs(1)),
            delay => held_back(delay),
        }
    }

    /// How long a write of this many bytes may take: a large bulk has more time than a single write.
    pub(crate) fn patience(&self, bytes: u64) -> Duration {
        self.space.context.settings.write_deadline + Duration::from_secs(bytes / BULK_BYTES_PER_SECOND as u64)
    }
}

/// The answer of a write for which the pace leaves no time.
pub(crate) fn held_back(delay: Duration) -> Error {
    let text = "More is written than may be sent to the store, and the write would wait too long; nothing was written";
    Error::new(Reason::Throttled, text).with_retry_after(delay.max(Duration::from_secs(1)))
}
