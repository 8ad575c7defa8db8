//! A commit's turn with the pace: waited for before anything is taken from the queue, with an answer for whoever would wait
//! past its deadline; and what may be sent with it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    commit::{
        batch::Batch,
        committer::{Committer, held_back},
    },
    limits::pacing::{ENVELOPE_BYTES, Lane, Turn},
    parts::writer::{MakeError, PartWriter},
    store::Draft,
};

/// Objects of a commit beside its root that go in the turn of the root: what almost every commit has. More of them, of a large
/// bulk, wait for turns of their own.
const IN_ONE_TURN: usize = 8;
/// No write is sent in the last part of its time, this share of it: its client would hardly hear what became of it.
const SENT_BEFORE_SHARE: u32 = 40;
/// How often it is looked who would wait for the pace past its deadline.
const REFUSE_EVERY: Duration = Duration::from_millis(100);

impl Committer {
    /// Waits for the pace, before anything is taken from the queue, so that what comes meanwhile is in the same commit. Answers
    /// whoever would wait past its deadline. `None` if nobody is left, and at the end.
    pub(crate) async fn turn(&self, end: &CancellationToken) -> Option<Turn<'_>> {
        let mut turn = self.place();
        loop {
            tokio::select! {
                biased;
                () = turn.come() => return Some(turn),
                () = end.cancelled() => return None,
                () = sleep(REFUSE_EVERY) => {}
            }
            let delay = turn.delay();
            self.queue.refuse_until(self.last_moment() + delay, &held_back(delay));
            if self.queue.len() == 0 {
                return None;
            }
        }
    }

    /// What has a deadline before this is not sent any more.
    pub(crate) fn last_moment(&self) -> Instant {
        Instant::now() + self.space.context.settings.write_deadline / SENT_BEFORE_SHARE
    }

    /// A place among those that wait for the pace.
    pub(crate) fn place(&self) -> Turn<'_> {
        let reckoned = self.reckoned.load(Ordering::Relaxed);
        self.space.context.pace.turn(Lane::Commit, Arc::clone(&self.who), reckoned)
    }

    /// Creates what the root is to name, and answers meanwhile whose deadline passes; `None` once nobody waits any more.
    pub(crate) async fn create(
        &self,
        batch: &mut Batch,
        turn: &mut Turn<'_>,
        part_writer: &PartWriter,
        drafts: Vec<Draft>,
    ) -> Option<Result<(), MakeError>> {
        let store = if drafts.len() <= IN_ONE_TURN {
            turn.add(drafts.iter().map(|draft| draft.content.size() + ENVELOPE_BYTES).sum());
            &self.space.context.commit_store
        } else {
            &self.space.context.bulk_store
        };
        let part_writer = PartWriter { store: Arc::clone(store), ..part_writer.clone() };
        batch.answering(|| self.late(), part_writer.create(drafts)).await
    }
}
