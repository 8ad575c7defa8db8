//! The asks of one commit, until each has its answer.

use std::{pin::pin, time::Duration};

use nearkv::{Clock, Error, Reason, telemetry::SPANS};
use tokio::time::{Instant, sleep_until};
use tracing::Span;

use crate::{
    commit::request::{Operation, Request, Verdict},
    parts::age::Age,
};

/// What is committed together.
#[derive(Debug)]
pub(crate) struct Batch {
    requests: Vec<Request>,
    /// How many were waiting for the next one when this was delivered.
    waiting: usize,
}

impl Batch {
    pub(crate) fn new(requests: Vec<Request>) -> Self {
        Self { requests, waiting: 0 }
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.requests.iter().map(|request| &request.operation)
    }

    /// The span of their commit: a part of the first one's trace, and linked to those of the others.
    pub(crate) fn span(&self) -> Span {
        let mut requests = self.requests.iter().map(|request| &request.span).filter(|span| !span.is_none());
        let Some(first) = requests.next() else { return Span::none() };
        let span = tracing::debug_span!(target: SPANS, parent: first, "commit", writes = self.requests.len());
        for other in requests {
            span.follows_from(other);
        }
        span
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many requests have no answer yet.
    pub(crate) fn unanswered(&self) -> usize {
        self.requests.iter().filter(|request| !request.is_answered()).count()
    }

    /// Waits for `done`, and meanwhile answers everybody whose deadline passes with `late`. `None` once nobody waits any more.
    pub(crate) async fn answering<T>(
        &mut self,
        late: impl Fn() -> Error,
        done: impl Future<Output = T>,
    ) -> Option<T> {
        let mut done = pin!(done);
        loop {
            let waiting = self.requests.iter().filter(|request| !request.is_answered());
            let next = waiting.map(|request| request.deadline).min()?;
            tokio::select! {
                biased;
                done = &mut done => return Some(done),
                () = sleep_until(next) => self.answer_late(Instant::now(), &late()),
            }
        }
    }

    /// Answers what is past its deadline, and keeps it: it may be in flight.
    pub(crate) fn answer_late(&mut self, now: Instant, error: &Error) {
        for request in self.requests.iter_mut().filter(|request| request.deadline <= now) {
            request.answer(Err(error.clone()));
        }
    }

    /// Lets go of what has been answered. Only while nothing is in flight.
    pub(crate) fn drop_answered(&mut self) {
        self.requests.retain(|request| !request.is_answered());
    }

    /// Answers everybody.
    pub(crate) fn refuse(&mut self, error: &Error) {
        for request in &mut self.requests {
            request.answer(Err(error.clone()));
        }
    }

    /// Answers those who put something and lets go of them: there is no room for it. Only while nothing is in flight.
    pub(crate) fn refuse_puts(&mut self, error: &Error) {
        for request in self.requests.iter_mut().filter(|request| request.operation.puts()) {
            request.answer(Err(error.clone()));
        }
        self.drop_answered();
    }

    /// Who writes at this time: those of this batch, and who waited when they got their answers. Not upkeep, which does
    /// not come back at once.
    pub(crate) fn writers(&self) -> usize {
        let upkeep = self
            .operations()
            .filter(|operation| matches!(operation, Operation::Amend(_) | Operation::Own(_)))
            .count();
        self.requests.len() - upkeep + self.waiting
    }

    /// Gives everybody the own verdict, while so many wait for the next batch.
    pub(crate) fn deliver(&mut self, verdicts: Vec<Result<Verdict, Error>>, waiting: usize) {
        self.waiting = waiting;
        for (request, verdict) in self.requests.iter_mut().zip(verdicts) {
            request.answer(verdict);
        }
    }

    /// Refuses what names objects that may be collected before the root names them (invariant 6).
    pub(crate) fn refuse_aged(&mut self, clock: &dyn Clock, most: Duration) {
        let aged = |objects: &Age| objects.elapsed(clock) >= most;
        for request in self.requests.iter_mut().filter(|request| request.objects.as_ref().is_some_and(aged)) {
            request.answer(Err(Error::new(
                Reason::Unavailable,
                "The value took too long to arrive and be committed; nothing was written",
            )));
        }
        self.drop_answered();
    }

    /// How long the most patient still waits.
    pub(crate) fn time_left(&self, now: Instant) -> Duration {
        self.requests.iter().map(|request| request.time_left(now)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Random};

    use super::*;
    use crate::commit::{
        amendment::Amendment,
        request::{Change, Write},
    };

    #[test]
    fn upkeep_is_not_among_those_who_are_waited_for() {
        let request = |operation| Request {
            operation,
            deadline: Instant::now(),
            objects: None,
            span: Span::none(),
            reply: None,
        };
        let write = || {
            Operation::Write(Write {
                key: nearkv::Key::new("k").unwrap(),
                change: Change::Delete,
                condition: None,
            })
        };
        let sweep = Amendment::Sweep(Incarnation::mint(&Random::seeded(1)));
        let mut batch =
            Batch::new(vec![request(write()), request(Operation::Amend(sweep.into())), request(write())]);
        batch.deliver(Vec::new(), 3);
        assert_eq!(batch.writers(), 5);
    }
}
