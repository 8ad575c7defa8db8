//! The asks of one commit, until each has its answer.

use std::time::Duration;

use nearkv::{Clock, Error, Reason, telemetry::SPANS};
use tokio::time::Instant;
use tracing::Span;

use super::{
    ages::Age,
    ask::{Ask, Done, What},
};

/// What is committed together.
#[derive(Debug)]
pub(super) struct Batch {
    asks: Vec<Ask>,
    /// How many were waiting for the next one when this was delivered.
    waiting: usize,
}

impl Batch {
    pub(super) fn new(asks: Vec<Ask>) -> Self {
        Self { asks, waiting: 0 }
    }

    pub(super) fn whats(&self) -> impl Iterator<Item = &What> {
        self.asks.iter().map(|ask| &ask.what)
    }

    /// The span of their commit: a part of the first one's trace, and linked to those of the others.
    pub(super) fn span(&self) -> Span {
        let mut requests = self.asks.iter().map(|ask| &ask.span).filter(|span| !span.is_none());
        let Some(first) = requests.next() else { return Span::none() };
        let span = tracing::debug_span!(target: SPANS, parent: first, "commit", writes = self.asks.len());
        for other in requests {
            span.follows_from(other);
        }
        span
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    /// Whether nobody waits for an answer any more.
    pub(super) fn is_answered(&self) -> bool {
        self.asks.iter().all(Ask::is_answered)
    }

    /// Answers what is past its deadline, and keeps it: it may be in flight.
    pub(super) fn answer_late(&mut self, now: Instant, error: &Error) {
        for ask in self.asks.iter_mut().filter(|ask| ask.deadline <= now) {
            ask.answer(Err(error.clone()));
        }
    }

    /// Lets go of what has been answered. Only while nothing is in flight.
    pub(super) fn drop_answered(&mut self) {
        self.asks.retain(|ask| !ask.is_answered());
    }

    /// Answers everybody.
    pub(super) fn refuse(&mut self, error: &Error) {
        for ask in &mut self.asks {
            ask.answer(Err(error.clone()));
        }
    }

    /// Answers those who put something and lets go of them: there is no room for it. Only while nothing is in flight.
    pub(super) fn refuse_puts(&mut self, error: &Error) {
        for ask in self.asks.iter_mut().filter(|ask| ask.what.puts()) {
            ask.answer(Err(error.clone()));
        }
        self.drop_answered();
    }

    /// Who writes at this time: those of this batch, and who waited when they got their answers. Not upkeep, which does
    /// not come back at once.
    pub(super) fn writers(&self) -> usize {
        let upkeep = self.whats().filter(|what| matches!(what, What::Amend(_) | What::Own(_))).count();
        self.asks.len() - upkeep + self.waiting
    }

    /// Gives everybody the own verdict, while so many wait for the next batch.
    pub(super) fn deliver(&mut self, verdicts: Vec<Result<Done, Error>>, waiting: usize) {
        self.waiting = waiting;
        for (ask, verdict) in self.asks.iter_mut().zip(verdicts) {
            ask.answer(verdict);
        }
    }

    /// Refuses what names objects that may be collected before the root names them (invariant 6).
    pub(super) fn refuse_aged(&mut self, clock: &dyn Clock, most: Duration) {
        let aged = |objects: &Age| objects.elapsed(clock) >= most;
        for ask in self.asks.iter_mut().filter(|ask| ask.objects.as_ref().is_some_and(aged)) {
            ask.answer(Err(Error::new(
                Reason::Unavailable,
                "The value took too long to arrive and be committed; nothing was written",
            )));
        }
        self.drop_answered();
    }

    /// How long the most patient still waits.
    pub(super) fn time_left(&self, now: Instant) -> Duration {
        self.asks.iter().map(|ask| ask.time_left(now)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use nearkv::{Incarnation, Random};

    use super::*;
    use crate::origin::{
        amendment::Amendment,
        ask::{Change, Write},
    };

    #[test]
    fn upkeep_is_not_among_those_who_are_waited_for() {
        let ask =
            |what| Ask { what, deadline: Instant::now(), objects: None, span: Span::none(), reply: None };
        let write = || {
            What::Write(Write {
                key: nearkv::Key::new("k").unwrap(),
                change: Change::Delete,
                condition: None,
            })
        };
        let sweep = Amendment::Sweep(Incarnation::mint(&Random::seeded(1)));
        let mut batch = Batch::new(vec![ask(write()), ask(What::Amend(sweep.into())), ask(write())]);
        batch.deliver(Vec::new(), 3);
        assert_eq!(batch.writers(), 5);
    }
}
