//! The circuit breaker to upstream: while upstream is down, no read waits to find that out. One per upstream.
//!
//! Only silence counts as a failure: a connection that is refused, broken or without an answer in time. An upstream that
//! answers 503 (an edge that cannot reach its own origin, an origin that is loading) is reachable, and may answer for
//! another key. If other requests were answered meanwhile, one lost request proves nothing.

use std::{error::Error as _, mem, time::Duration};

use nearkv::{Error, Reason};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::settings::{CIRCUIT_COOLDOWN, CIRCUIT_FAILURES, CIRCUIT_SILENCE};

/// The states of the circuit, as in metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// Requests pass.
    Closed,
    /// Requests are refused at once.
    Open,
    /// One request in flight probes whether upstream answers again. All others are refused.
    HalfOpen,
}

impl CircuitState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// The breaker.
#[derive(Debug, Default)]
pub(crate) struct Circuit(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    breaker: Breaker,
    /// When upstream answered last.
    last_answer: Option<Instant>,
}

#[derive(Debug, Default)]
enum Breaker {
    #[default]
    Closed,
    /// Closed, after so many failures in a row.
    Failing(u32),
    Open {
        until: Instant,
    },
    HalfOpen,
}

/// How the circuit admitted a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Like any other.
    Normal,
    /// As the probe whether upstream answers again.
    Probe,
}

impl Circuit {
    /// Its state, for metrics.
    pub(crate) fn state(&self) -> CircuitState {
        match self.0.lock().breaker {
            Breaker::Closed | Breaker::Failing(_) => CircuitState::Closed,
            Breaker::Open { .. } => CircuitState::Open,
            Breaker::HalfOpen => CircuitState::HalfOpen,
        }
    }

    /// Admits or refuses a read.
    ///
    /// # Errors
    /// The time until a retry makes sense.
    pub(crate) fn admit(&self, now: Instant) -> Result<Admission, Duration> {
        let breaker = &mut self.0.lock().breaker;
        match *breaker {
            Breaker::Closed | Breaker::Failing(_) => Ok(Admission::Normal),
            Breaker::Open { until } if now < until => Err(until - now),
            Breaker::Open { .. } => {
                *breaker = Breaker::HalfOpen;
                Ok(Admission::Probe)
            }
            Breaker::HalfOpen => Err(CIRCUIT_COOLDOWN),
        }
    }

    /// Admits or refuses a write. A write is never the probe, since its client decides how long it takes. It is admitted
    /// when the cooldown is over.
    ///
    /// # Errors
    /// As [`Circuit::admit`].
    pub(crate) fn admit_write(&self, now: Instant) -> Result<(), Duration> {
        match self.0.lock().breaker {
            Breaker::Open { until } if now < until => Err(until - now),
            Breaker::Closed | Breaker::Failing(_) | Breaker::Open { .. } | Breaker::HalfOpen => Ok(()),
        }
    }

    /// Upstream answered, with success or not.
    pub(crate) fn answered(&self, now: Instant) {
        let mut inner = self.0.lock();
        inner.last_answer = Some(now);
        if matches!(mem::take(&mut inner.breaker), Breaker::Open { .. } | Breaker::HalfOpen) {
            tracing::info!("upstream answers again");
        }
    }

    /// Upstream did not answer the request sent then.
    pub(crate) fn silent(&self, sent: Instant, now: Instant) {
        let mut inner = self.0.lock();
        if inner.last_answer.is_some_and(|answered| answered > sent) {
            return;
        }
        let was_closed = matches!(inner.breaker, Breaker::Closed | Breaker::Failing(_));
        let failures = match inner.breaker {
            Breaker::Closed => 1,
            Breaker::Failing(failures) => failures + 1,
            Breaker::Open { .. } | Breaker::HalfOpen => CIRCUIT_FAILURES,
        };
        // No answer to any request for so long counts as several refused connections.
        if failures < CIRCUIT_FAILURES && now - sent < CIRCUIT_SILENCE {
            inner.breaker = Breaker::Failing(failures);
            return;
        }
        if was_closed {
            tracing::warn!("upstream does not answer: reads are served from the cache alone");
        }
        inner.breaker = Breaker::Open { until: now + CIRCUIT_COOLDOWN };
    }
}

/// Whether the failure is silence, as opposed to an answer. A lost request has the transport's error as its cause. An
/// error read from an answer has none, since causes stay in the log of the server that had them.
pub(crate) fn is_silence(error: &Error) -> bool {
    error.reason() == Reason::Unavailable && error.source().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_circuit_opens_after_failures_in_a_row_and_closes_by_one_probe() {
        let (circuit, now) = (Circuit::default(), Instant::now());
        for _ in 1..CIRCUIT_FAILURES {
            circuit.silent(now, now);
        }
        circuit.answered(now);
        for _ in 1..CIRCUIT_FAILURES {
            circuit.silent(now, now);
        }
        assert_eq!((circuit.state(), circuit.admit(now)), (CircuitState::Closed, Ok(Admission::Normal)));
        circuit.silent(now, now);
        assert_eq!((circuit.state(), circuit.admit(now)), (CircuitState::Open, Err(CIRCUIT_COOLDOWN)));
        assert!(circuit.admit_write(now).is_err());

        let later = now + CIRCUIT_COOLDOWN;
        assert_eq!(circuit.admit(later), Ok(Admission::Probe));
        assert_eq!(circuit.state(), CircuitState::HalfOpen);
        assert!(circuit.admit(later).is_err(), "one probe at a time");
        circuit.silent(later, later);
        assert_eq!((circuit.state(), circuit.admit(later)), (CircuitState::Open, Err(CIRCUIT_COOLDOWN)));

        assert_eq!(circuit.admit(later + CIRCUIT_COOLDOWN), Ok(Admission::Probe));
        circuit.answered(later);
        assert_eq!((circuit.state(), circuit.admit(later)), (CircuitState::Closed, Ok(Admission::Normal)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_silence_opens_the_circuit_at_once_unless_others_are_answered() {
        let sent = Instant::now();
        let now = sent + CIRCUIT_SILENCE;
        let circuit = Circuit::default();
        circuit.answered(sent + CIRCUIT_SILENCE / 2);
        for _ in 0..CIRCUIT_FAILURES {
            circuit.silent(sent, now);
        }
        assert_eq!(circuit.state(), CircuitState::Closed, "another request was answered meanwhile");
        let circuit = Circuit::default();
        circuit.answered(sent);
        circuit.silent(sent, now);
        assert_eq!(circuit.state(), CircuitState::Open);
    }

    #[test]
    fn an_upstream_that_answers_503_is_not_silent() {
        let answered = Error::new(Reason::Unavailable, "not in the cache");
        assert!(!is_silence(&answered));
        assert!(is_silence(&answered.with_source(std::io::Error::other("connection refused"))));
        assert!(!is_silence(&Error::new(Reason::Throttled, "patience")));
    }
}
