//! The way of one flight: ask upstream, with what this edge holds and knows as conditions, and make something to
//! hold of the answer.

use std::{error::Error as _, sync::Arc, time::Duration};

use nearkv::{
    CacheStatus, Error, GetOptions, Kv, ListOptions, Lookup, ReadOptions, Reason, State, Value, Version,
    http::client::Distrusted,
};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use crate::{
    cache::Shared,
    circuit::is_silence,
    flight::End,
    floor::Ticket,
    held::{Body, Found, Held, Landing, Proof},
    metrics::{Operation, upstream_span},
    settings::{ANSWER_TIMEOUT, BODY_TIMEOUT, CIRCUIT_COOLDOWN},
    slot::Slot,
};

/// Requests of one flight: the second one after upstream's data turned out to have been replaced.
const REQUESTS_PER_FLIGHT: usize = 2;

/// What a flight asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// The reader's bound on the age, for the caches upstream.
    pub(crate) cache_ttl: Option<Duration>,
    /// The state the reader wants.
    pub(crate) reader: Option<Version>,
    /// The state this edge knows to exist.
    pub(crate) floor: Option<Version>,
    /// What is held, to be confirmed or replaced.
    pub(crate) basis: Option<Arc<Held>>,
}

impl Ask {
    /// The newer of what the reader wants and what this edge knows; the reader's, where they cannot be compared.
    fn min_version(&self) -> Option<Version> {
        match (self.reader, self.floor) {
            (Some(reader), Some(floor)) if floor > reader => Some(floor),
            (None, floor) => floor,
            (reader, _) => reader,
        }
    }
}

enum Reply {
    Whole(Body),
    Unchanged(Version),
}

impl<K: Kv> Shared<K> {
    /// Asks until there is an answer of the present data.
    ///
    /// Story of a restore: t0 this edge holds incarnation A; t1 the data are restored as B; t2 a refresh asks for
    /// at least A.17 and gets 412 with B.3; t3 A's life ends, and B is asked for without conditions.
    pub(crate) async fn fly(&self, slot: &Slot, mut ask: Ask) -> End {
        let namespace = slot.namespace();
        for _ in 0..REQUESTS_PER_FLIGHT {
            let ticket = self.ticket();
            // Before sending: a write logged from here on is not in `ask.floor`, so it judges the page.
            let since = self.lives.current(namespace).map(|life| life.log().position()).unwrap_or_default();
            let sent = Instant::now();
            let (reply, state) = match self.request(slot, &ask).await {
                Ok(answer) => answer,
                Err(error) if error.reason() == Reason::NamespaceMissing => {
                    self.lives.end(namespace);
                    return Err(error);
                }
                Err(error)
                    if error.reason() == Reason::VersionNotReached && ask.min_version() != ask.reader =>
                {
                    match (error.version(), ask.floor) {
                        (Some(present), Some(floor)) if present.incarnation != floor.incarnation => {
                            self.lives.enter(namespace, present.incarnation, ticket);
                            ask = Ask { floor: None, basis: None, ..ask };
                            continue;
                        }
                        _ => return Err(behind().with_source(error)),
                    }
                }
                Err(error) => return Err(error),
            };
            let Some(life) = self.lives.enter(namespace, state.version.incarnation, ticket) else {
                // The answer was on its way for long, or a cache upstream has not heard of the new data: ask past it.
                let present = self.lives.current(namespace);
                ask.floor = present.map(|life| Version::new(life.incarnation, 0));
                ask.basis = None;
                continue;
            };
            let (body, confirmed) = match (reply, &ask.basis) {
                (Reply::Whole(Body::Page(page, _)), _) => (Body::Page(page, since), false),
                (Reply::Whole(Body::Absent), Some(basis)) => {
                    (Body::Absent, matches!(basis.body, Body::Absent))
                }
                (Reply::Whole(body), _) => (body, false),
                (Reply::Unchanged(version), Some(basis)) if basis.entry_version() == Some(version) => {
                    (basis.body.clone(), true)
                }
                (Reply::Unchanged(_), _) => {
                    ask.basis = None;
                    continue;
                }
            };
            let version = shown(state.version, &body);
            let stale = state.served.status == CacheStatus::Stale;
            let held = Arc::new(Held::new(life, body, version, proof(ticket, sent, &state)));
            return Ok(Landing { held, confirmed, stale });
        }
        Err(behind())
    }

    async fn request(&self, slot: &Slot, ask: &Ask) -> Result<(Reply, State), Error> {
        let read = ReadOptions {
            cache_ttl: ask.cache_ttl,
            min_version: ask.min_version(),
            ..ReadOptions::default()
        };
        match slot {
            Slot::Entry(namespace, key) => {
                let if_none_match = ask.basis.as_ref().and_then(|basis| basis.entry_version());
                let options = GetOptions { read, if_none_match };
                let answer = self.upstream.get(namespace, key, &options);
                let answer = self.hear(Operation::Get, answer).await?;
                let reply = match answer.body {
                    Lookup::Found(entry) => Reply::Whole(Body::Found(Found {
                        bytes: whole(entry.value).await?,
                        metadata: entry.metadata,
                        expiration: entry.expiration,
                        version: entry.version,
                    })),
                    Lookup::Unchanged { version, expiration: _ } => Reply::Unchanged(version),
                    Lookup::Absent => Reply::Whole(Body::Absent),
                };
                Ok((reply, answer.state))
            }
            Slot::List(namespace, query) => {
                let options = ListOptions {
                    prefix: query.prefix.clone(),
                    limit: Some(query.limit),
                    cursor: query.cursor.clone(),
                    read,
                };
                let answer = self.upstream.list(namespace, &options);
                let answer = self.hear(Operation::List, answer).await?;
                let page = Body::Page(Arc::new(answer.body), Default::default());
                Ok((Reply::Whole(page), answer.state))
            }
        }
    }

    /// Waits for an answer, and tells the circuit and the metrics what came, or did not come.
    pub(crate) async fn hear<T>(
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
                // Fetches go with this edge's own token: that it is refused is nothing its readers have done.
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

async fn whole(value: Value) -> Result<bytes::Bytes, Error> {
    let Ok(bytes) = timeout(BODY_TIMEOUT, value.into_bytes()).await else {
        return Err(silence());
    };
    bytes
}

/// The state an answer shows. An entry written at a version was there at that version, even where the answer as a
/// whole is of an older state.
fn shown(state: Version, body: &Body) -> Version {
    match body {
        Body::Found(found) if found.version > state => found.version,
        Body::Found(_) | Body::Absent | Body::Page(..) => state,
    }
}

fn proof(ticket: Ticket, sent: Instant, state: &State) -> Proof {
    Proof { ticket, sent, age: state.age, time: state.time, freshness: state.freshness }
}

fn silence() -> Error {
    Error::new(Reason::Unavailable, "The origin does not answer; try again")
        .with_retry_after(CIRCUIT_COOLDOWN)
}

/// A token that is nobody's may not have arrived yet; one without permission is an answer, and no outage.
fn refused(reason: Reason) -> Error {
    let reason = if reason == Reason::Unauthenticated { Reason::Unavailable } else { Reason::StoreRefused };
    Error::new(reason, "The origin refuses this edge's own token").with_retry_after(CIRCUIT_COOLDOWN)
}

/// Upstream keeps answering with a state older than one it had acknowledged. That is a failure, not a refusal of
/// the reader's.
pub(crate) fn behind() -> Error {
    Error::new(Reason::Unavailable, "The origin is behind what it acknowledged; try again")
        .with_retry_after(CIRCUIT_COOLDOWN)
}
