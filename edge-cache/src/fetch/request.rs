//! The requests of one fetch: it asks upstream with conditions made of the cached answer and the floor, and makes an
//! answer to cache of what upstream returns.

use std::{sync::Arc, time::Duration};

use nearkv::{
    CacheStatus, Error, GetOptions, Kv, ListOptions, Lookup, ReadOptions, Reason, State, Value, Version,
};
use tokio::time::{Instant, timeout};

use super::errors::{behind, silence};
use crate::{
    cache::{FetchOutcome, Shared},
    coherence::CacheKey,
    entry::{Body, CachedEntry, Found, Proof},
    metrics::Operation,
    settings::BODY_TIMEOUT,
};

/// Requests of one fetch: the second one after the first shows that upstream's data were replaced.
const REQUESTS_PER_FETCH: usize = 2;

/// What a fetch requests.
#[derive(Clone, Debug)]
pub(super) struct FetchRequest {
    /// The reader's bound on the age, for the caches upstream.
    pub(super) cache_ttl: Option<Duration>,
    /// The version the reader wants.
    pub(super) reader: Option<Version>,
    /// The version this edge knows to exist.
    pub(super) floor: Option<Version>,
    /// The cached answer, to be confirmed or replaced.
    pub(super) basis: Option<Arc<CachedEntry>>,
}

impl FetchRequest {
    /// The newer of what the reader wants and what this edge knows; the reader's, if they cannot be compared.
    fn min_version(&self) -> Option<Version> {
        match (self.reader, self.floor) {
            (Some(reader), Some(floor)) if floor > reader => Some(floor),
            (None, floor) => floor,
            (reader, _) => reader,
        }
    }
}

/// The answer to one request.
enum Reply {
    Whole(Body),
    /// 304: the entry still has this version.
    Unchanged(Version),
}

impl<K: Kv> Shared<K> {
    /// Sends requests until there is an answer of the current incarnation.
    ///
    /// Story of a restore: t0 this edge caches incarnation A. t1 the data are restored as B. t2 a refresh asks for at
    /// least A.17 and gets 412 with B.3. t3 the edge retires A, and asks for B without conditions.
    pub(super) async fn fetch(
        &self,
        cache_key: &CacheKey,
        mut request: FetchRequest,
    ) -> Result<FetchOutcome, Error> {
        let namespace = cache_key.namespace();
        for _ in 0..REQUESTS_PER_FETCH {
            let ticket = self.ticket();
            // Before sending: `request.floor` does not cover a write that is logged from here on, so the log must.
            let current = self.incarnations.current(namespace);
            let since = current.map(|current| current.log().position()).unwrap_or_default();
            let sent = Instant::now();
            let (reply, state) = match self.send(cache_key, &request).await {
                Ok(answer) => answer,
                Err(error) if error.reason() == Reason::NamespaceMissing => {
                    self.incarnations.remove(namespace);
                    return Err(error);
                }
                Err(error)
                    if error.reason() == Reason::VersionNotReached
                        && request.min_version() != request.reader =>
                {
                    match (error.version(), request.floor) {
                        (Some(present), Some(floor)) if present.incarnation != floor.incarnation => {
                            self.incarnations.admit(namespace, present.incarnation, ticket);
                            request = FetchRequest { floor: None, basis: None, ..request };
                            continue;
                        }
                        _ => return Err(behind().with_source(error)),
                    }
                }
                Err(error) => return Err(error),
            };
            let Some(incarnation) = self.incarnations.admit(namespace, state.version.incarnation, ticket)
            else {
                // The answer was slow, or a cache upstream still has the old data: ask past it.
                let current = self.incarnations.current(namespace);
                request.floor = current.map(|current| Version::new(current.id, 0));
                request.basis = None;
                continue;
            };
            let (body, confirmed) = match (reply, &request.basis) {
                (Reply::Whole(Body::Page(page, _)), _) => (Body::Page(page, since), false),
                (Reply::Whole(Body::Absent), Some(basis)) => {
                    (Body::Absent, matches!(basis.body, Body::Absent))
                }
                (Reply::Whole(body), _) => (body, false),
                (Reply::Unchanged(version), Some(basis)) if basis.entry_version() == Some(version) => {
                    (basis.body.clone(), true)
                }
                (Reply::Unchanged(_), _) => {
                    request.basis = None;
                    continue;
                }
            };
            let version = shown(state.version, &body);
            let stale = state.served.status == CacheStatus::Stale;
            let cached =
                Arc::new(CachedEntry::new(incarnation, body, version, Proof::new(ticket, sent, &state)));
            return Ok(FetchOutcome { cached, confirmed, stale });
        }
        Err(behind())
    }

    async fn send(&self, cache_key: &CacheKey, request: &FetchRequest) -> Result<(Reply, State), Error> {
        let read = ReadOptions {
            cache_ttl: request.cache_ttl,
            min_version: request.min_version(),
            ..ReadOptions::default()
        };
        match cache_key {
            CacheKey::Entry(namespace, key) => {
                let if_none_match = request.basis.as_ref().and_then(|basis| basis.entry_version());
                let options = GetOptions { read, if_none_match };
                let answer = self.upstream.get(namespace, key, &options);
                let answer = self.await_upstream(Operation::Get, answer).await?;
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
            CacheKey::List(namespace, query) => {
                let options = ListOptions {
                    prefix: query.prefix.clone(),
                    limit: Some(query.limit),
                    cursor: query.cursor.clone(),
                    read,
                };
                let answer = self.upstream.list(namespace, &options);
                let answer = self.await_upstream(Operation::List, answer).await?;
                let page = Body::Page(Arc::new(answer.body), Default::default());
                Ok((Reply::Whole(page), answer.state))
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

/// The version an answer shows. An entry written at a version was there at that version, also if the answer as a whole
/// shows an older one.
fn shown(state: Version, body: &Body) -> Version {
    match body {
        Body::Found(found) if found.version > state => found.version,
        Body::Found(_) | Body::Absent | Body::Page(..) => state,
    }
}
