//! The wait for one answer of upstream, and the report about it to the circuit breaker and the metrics.

use std::error::Error as _;

use nearkv::{Error, Kv, Reason, http::client::Distrusted};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::errors::{refused, silence};
use crate::{
    cache::Shared,
    circuit::is_silence,
    metrics::{Operation, upstream_span},
    settings::ANSWER_TIMEOUT,
};

impl<K: Kv> Shared<K> {
    /// Waits for an answer, and reports it, or its absence, to the circuit and the metrics.
    pub(crate) async fn await_upstream<T>(
        &self,
        operation: Operation,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let sent = Instant::now();
        let answer = timeout(ANSWER_TIMEOUT, answer).instrument(upstream_span(operation)).await;
        let answer = answer.unwrap_or_else(|elapsed| Err(silence().with_source(elapsed)));
        let failure = answer.as_ref().err().map(Error::reason);
        self.metrics.upstream(operation, failure, sent.elapsed());
        match answer {
            Err(error) if is_silence(&error) => {
                self.circuit.silent(sent, Instant::now());
                match error.source().and_then(|cause| cause.downcast_ref::<Distrusted>()) {
                    Some(error) => tracing::warn!(
                        %error,
                        "the origin is not asked: give the authority that signed its certificate by --origin-ca-file"
                    ),
                    None => {
                        tracing::debug!(operation = operation.as_str(), cause = ?error.source(), "upstream is silent");
                    }
                }
                // Without its cause: this edge does answer, and a tier below must not take it for silence.
                Err(silence())
            }
            Err(error) if matches!(error.reason(), Reason::Unauthenticated | Reason::Forbidden) => {
                // This edge sends fetches with its own token. Its readers did nothing wrong.
                tracing::warn!(%error, "upstream refuses this edge's own token");
                let refused = refused(error.reason());
                self.answered(Some(refused.reason()));
                Err(refused)
            }
            answered => {
                self.answered(failure);
                answered
            }
        }
    }
}
