//! The committer: takes what has queued up, judges it against the newest root, creates what the next root names,
//! and swaps the root on condition that it is still the one that was judged (design §6 invariants 1 to 6).

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nearkv::{Error, Reason};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Health,
    commit::committer::Committer,
    commit::{
        attempt::Attempt,
        batch::Batch,
        draft_root::{self, DraftRoot, Signature},
        gather::Gatherer,
        judge::{self, Judged},
        outcome::{self, Outcome, Swap},
        presealed::Presealed,
        request::Verdict,
    },
    format::Drafter,
    limits::{
        budget::Purpose,
        pacing::{ENVELOPE_BYTES, Turn},
    },
    parts::{
        age::Age,
        writer::{MakeError, PartWriter},
    },
    settings::CONFLICT_PAUSE_MOST,
    state::{health::damaged_range, snapshot::Snapshot},
    store::{Meta, StoreError},
};

impl Committer {
    /// Commits what is asked for until `end`, which is that of the space or of the program; then refuses what waits.
    pub(crate) async fn run(&self, end: &CancellationToken) {
        let (mut gatherer, mut presealed) = (Gatherer::default(), None);
        loop {
            tokio::select! {
                biased;
                () = end.cancelled() => break,
                () = self.queue.arrival() => {}
            }
            while self.queue.len() > 0 && !end.is_cancelled() {
                gatherer.gather(&self.queue, self.space.context.pace.gathering()).await;
                let Some(turn) = self.turn(end).await else { continue };
                let mut batch = Batch::new(self.queue.take());
                let (started, busy) = (Instant::now(), gatherer.is_busy());
                let span = batch.span();
                let contended = self.commit(&mut batch, &mut presealed, busy, turn).instrument(span).await;
                let took = started.elapsed();
                gatherer.committed(took, batch.writers());
                self.space.context.counters.commits.observe(took);
                if contended {
                    gatherer.leave_a_gap(&self.space.context.random).await;
                }
            }
        }
        let refusal = if self.space.closed.is_cancelled() {
            Error::namespace_missing(&self.space.namespace)
        } else {
            Error::new(Reason::Unavailable, "The origin is shutting down; nothing was written")
        };
        self.close(&refusal);
    }

    /// Commits a batch, or answers why not; whether another replica was seen to write.
    async fn commit(
        &self,
        batch: &mut Batch,
        presealed: &mut Option<Presealed>,
        busy: bool,
        mut turn: Turn<'_>,
    ) -> bool {
        // Later than that somebody may have deleted it by hand, and no audit would have noticed.
        if !busy {
            *presealed = None;
        }
        let mut attempt = Attempt::beginning(Presealed::take(presealed).await);
        let mut contended = false;
        loop {
            if !turn.is_open() {
                turn = self.place();
                if batch.answering(|| self.late(), turn.come()).await.is_none() {
                    return contended;
                }
            }
            batch.answer_late(self.last_moment(), &self.late());
            batch.drop_answered();
            batch.refuse_aged(&*self.space.context.clock, self.space.context.settings.grace / 2);
            if batch.is_empty() {
                return contended;
            }
            let base = match self.space.writable() {
                Ok(base) => base,
                Err(refusal) => {
                    batch.refuse(&refusal);
                    return contended;
                }
            };
            contended |= self.others_wrote(&base);
            let judged =
                judge::judge(&base, &self.space.config(), self.space.context.clock.now(), batch.operations());
            let step = if judged.changed {
                // Who writes alongside others may lose the next swap, and with it the use of what is set aside;
                // who writes now and then has no need of it before it has aged.
                let presealed = (busy && !contended).then_some(&mut *presealed);
                self.write(batch, &base, judged, &mut attempt, &mut turn, presealed).await
            } else {
                self.confirm(batch, &base, judged).await
            };
            match step {
                Step::Done => return contended,
                Step::Again => {}
                Step::Lost => {
                    contended = true;
                    self.space.tally.count_conflict(&self.space.context.counters);
                    self.catch_up(batch, &mut attempt).await;
                }
                Step::Wait(pause) => {
                    batch.answering(|| self.late(), sleep(pause)).await;
                }
            }
        }
    }

    /// Nothing is to be written, so only a fresh read can prove that the root judged against is the newest.
    async fn confirm(&self, batch: &mut Batch, base: &Arc<Snapshot>, judged: Judged) -> Step {
        let Some(newest) = batch.answering(|| self.late(), self.follower.refresh()).await else {
            return Step::Done;
        };
        match newest {
            Ok(now) if now.token == base.token => {
                batch.deliver(judged.verdicts, self.queue.len());
                Step::Done
            }
            Ok(_) => Step::Again,
            Err(error) if error.reason() == Reason::NamespaceDamaged => Step::Again,
            Err(_) => Step::Wait(CONFLICT_PAUSE_MOST),
        }
    }

    async fn write(
        &self,
        batch: &mut Batch,
        base: &Arc<Snapshot>,
        judged: Judged,
        attempt: &mut Attempt,
        turn: &mut Turn<'_>,
        presealed: Option<&mut Option<Presealed>>,
    ) -> Step {
        let most = self.space.context.settings.grace / 2;
        if attempt.is_aged(&*self.space.context.clock, most) {
            *attempt = Attempt::default();
        }
        let forgotten = self.space.writers.forgettable(&base.root, &self.writer);
        let signature = Signature {
            writer: &self.writer,
            batch: self.next_batch(),
            at: self.space.context.clock.now().0,
            forgotten: &forgotten,
        };
        let part_writer = PartWriter { purpose: judged.purpose(), ..self.space.part_writer() };
        let mut next = draft_root::next(
            &part_writer,
            (&base.root, self.lines.of(&base.root)),
            &judged,
            &signature,
            attempt,
        );
        // What is lost is not in the entries of this replica, and others may have it.
        if base.damage.is_empty() {
            judged.entries.digest().write_beside(&mut next.content);
        }
        // A new manifest would take the place of a lost one, and of all that only that one leads to.
        if next.rolled
            && judged.root.manifest == base.root.manifest
            && let Some(lost) = base.lost_manifest()
        {
            batch.refuse(&damaged_range(&self.space.config(), &lost.detail));
            return Step::Done;
        }
        let drafts = std::mem::take(&mut next.drafts);
        if !drafts.is_empty() {
            attempt.age.get_or_insert_with(|| Age::start(&*self.space.context.clock));
            let waiting = batch.unanswered();
            let Some(created) = self.create(batch, turn, &part_writer, drafts).await else {
                return Step::Done;
            };
            match created {
                Ok(()) => {}
                // Deletions and upkeep must not share the lot of the puts that they are committed with.
                Err(error @ MakeError::Budget(_)) if part_writer.purpose == Purpose::Write => {
                    batch.refuse_puts(&error.into());
                    return Step::Again;
                }
                Err(error) => {
                    batch.refuse(&error.into());
                    return Step::Done;
                }
            }
            attempt.remember(&next.segments);
            batch.refuse_aged(&*self.space.context.clock, most);
            // Who was told meanwhile that nothing was written must not be in the swap.
            if attempt.is_aged(&*self.space.context.clock, most) || batch.unanswered() < waiting {
                return Step::Again;
            }
        }
        turn.spend(next.content.size() + ENVELOPE_BYTES);
        self.reckoned.store(turn.sent(), Ordering::Relaxed);
        let drafter = Drafter { namespace: self.space.namespace.clone(), owner: judged.owner.clone() };
        let draft = drafter.root(next.content.clone());
        let sent = (self.space.moment(), Age::start(&*self.space.context.clock));
        let underway = self.follower.own_swaps.sent(next.content.clone());
        let swap = self.space.context.commit_store.replace(&draft, &base.token);
        let Some(swapped) = batch.answering(outcome::unknown, swap).await else { return Step::Done };
        match swapped {
            Ok(meta) => {
                if let Some(free @ None) = presealed {
                    *free = Presealed::start(part_writer, &next, &*self.space.context.clock);
                }
                self.applied(base, next, judged.entries.clone(), &meta, sent.0);
                drop(underway);
                self.acknowledge(batch, judged.verdicts);
                Step::Done
            }
            Err(StoreError::Conflict(_) | StoreError::Missing(_)) => Step::Lost,
            Err(StoreError::Throttled { retry_after }) => {
                let pause = retry_after.unwrap_or(CONFLICT_PAUSE_MOST);
                if pause >= batch.time_left(Instant::now()) {
                    batch.refuse(&throttled(pause));
                    return Step::Done;
                }
                Step::Wait(pause + self.space.context.random.jitter(CONFLICT_PAUSE_MOST))
            }
            Err(StoreError::Refused { name, message }) => {
                let refusal = Error::new(
                    Reason::StoreRefused,
                    format!("The store refuses to change {name}: {message}; nothing was written"),
                );
                self.space.set_health(Health::StoreRefused { detail: message });
                batch.refuse(&refusal);
                Step::Done
            }
            Err(
                error @ (StoreError::Unknown { .. } | StoreError::Exists(_) | StoreError::Damaged { .. }),
            ) => {
                drop(underway);
                tracing::warn!(namespace = %self.space.namespace, %error, batch = signature.batch, "the outcome of a commit is unknown");
                let swap =
                    Swap { draft: &draft, base, root: &next.root, batch: signature.batch, sent: sent.1 };
                match batch.answering(outcome::unknown, self.resolve(&swap)).await {
                    Some(Outcome::Committed(Some(meta))) => {
                        self.applied(base, next, judged.entries.clone(), &meta, sent.0);
                        self.acknowledge(batch, judged.verdicts);
                        Step::Done
                    }
                    Some(Outcome::Committed(None)) => {
                        self.acknowledge(batch, judged.verdicts);
                        Step::Done
                    }
                    Some(Outcome::NotCommitted) => Step::Lost,
                    Some(Outcome::Unknown) | None => {
                        batch.refuse(&outcome::unknown());
                        Step::Done
                    }
                }
            }
        }
    }

    /// Answers a batch that was committed. If the KvNamespace was deleted meanwhile, a space of its next life may
    /// answer the reads by now, with the same data where they are retained, and need not have heard of the commit.
    fn acknowledge(&self, batch: &mut Batch, verdicts: Vec<Result<Verdict, Error>>) {
        if self.space.closed.is_cancelled() {
            batch.refuse(&outcome::unknown());
        } else {
            batch.deliver(verdicts, self.queue.len());
        }
    }

    /// The swap has succeeded: what it made is the newest state.
    fn applied(
        &self,
        base: &Snapshot,
        next: DraftRoot,
        entries: crate::state::entries::Entries,
        meta: &Meta,
        sent: Duration,
    ) {
        let records = next.root.version.saturating_sub(base.root.version);
        self.space.tally.count_commit(&self.space.context.counters, records);
        let damage = base.damage_at(&next.root, &next.manifest);
        let root = Arc::new(next.root);
        self.lines.remember(&root, next.lines);
        let snapshot = Snapshot {
            root,
            token: meta.token.clone(),
            owner: meta.owner.clone(),
            entries,
            manifest: next.manifest,
            damage,
        };
        let published = self.space.publish(Arc::new(snapshot), false);
        self.space.proof.prove(sent);
        // The store takes what it is given, and what was lost may have been written again.
        if matches!(self.space.health(), Health::StoreRefused { .. } | Health::PartDamaged { .. }) {
            self.space.assess(&published);
        }
    }

    /// Whether somebody else has committed since this one did.
    fn others_wrote(&self, base: &Snapshot) -> bool {
        let own = base.root.writers.get(&self.writer).map_or(0, |writer| writer.version);
        own != 0 && base.root.writers.values().any(|writer| writer.version > own)
    }
}

/// What comes after one attempt.
enum Step {
    /// Everybody has an answer.
    Done,
    /// The root or the batch has changed: judge again.
    Again,
    /// Another swap was first.
    Lost,
    /// The store asks for patience.
    Wait(Duration),
}

fn throttled(pause: Duration) -> Error {
    Error::new(Reason::Throttled, "The store requests for patience; nothing was written")
        .with_retry_after(pause)
}
