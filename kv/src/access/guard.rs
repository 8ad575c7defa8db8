//! The guard permits or refuses a request. It caches the authority's decisions: an allowance for at most a minute, a
//! refusal for half of that. Without a decision it refuses.
//!
//! The one exception is [`GuardSettings::stale_if_error`]. *An outage of the authority:* t0 the authority allows a token
//! to get. t60 the next read requests the decision again, and the authority is unreachable. Within a second the read is
//! answered from the cache. From t61 on, reads are answered from the cache at once, and once a second one of them starts
//! a request in the background. t90 the authority is reachable and refuses. The next read is refused.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    Access, Authority, BearerToken, CachedDecision, Caller, Decision, DecisionCache, DecisionCounts,
    TokenHash, Verb, Verdict,
    decision_counts::{Outcome, Source},
    hashed::Hashed,
};
use crate::{Error, Reason};

/// Longest time an allowance is used: a revoked token works for so long (design §9).
pub const MOST_ALLOWED_FOR: Duration = Duration::from_secs(60);
/// Longest time a refusal is used: a new permission may take effect so late.
pub const MOST_REFUSED_FOR: Duration = Duration::from_secs(30);
/// Decisions in the cache, per generation: about 200 bytes each.
const CAPACITY: usize = 50_000;
/// Longest time a read waits for the authority where an earlier allowance covers it.
const STALE_PATIENCE: Duration = Duration::from_secs(1);
/// When a client should retry after an outage of the authority.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long decisions are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// An allowance, at most [`MOST_ALLOWED_FOR`].
    pub allowed_for: Duration,
    /// A refusal, at most [`MOST_REFUSED_FOR`].
    pub refused_for: Duration,
    /// While the authority is *unreachable*, an earlier allowance of the same token, KvNamespace and verb still permits
    /// cached reads for so long. A server that caches nothing has zero here, which is strict.
    pub stale_if_error: Duration,
}

impl Default for GuardSettings {
    /// The longest times, and strict.
    fn default() -> Self {
        Self { allowed_for: MOST_ALLOWED_FOR, refused_for: MOST_REFUSED_FOR, stale_if_error: Duration::ZERO }
    }
}

/// What the guard permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// The request.
    Full,
    /// A read of cached values: the authority is unreachable, and has allowed this before.
    CachedOnly,
}

/// Decides about requests by the authority's decisions, which it caches.
pub struct Guard {
    authority: Arc<dyn Authority>,
    settings: GuardSettings,
    cache: Arc<DecisionCache<(TokenHash, Access), Verdict>>,
    counts: Arc<DecisionCounts>,
}

impl Guard {
    /// A guard with an empty cache. End it with [`Guard::shutdown`].
    #[must_use]
    pub fn new(authority: Arc<dyn Authority>, settings: GuardSettings) -> Self {
        Self { authority, settings, cache: DecisionCache::new(CAPACITY), counts: Arc::default() }
    }

    /// The same guard with these counters.
    #[must_use]
    pub fn counted_by(self, counts: &Arc<DecisionCounts>) -> Self {
        Self { counts: Arc::clone(counts), ..self }
    }

    /// Permits or refuses an access of the caller.
    ///
    /// # Errors
    /// `unauthenticated` (401), `forbidden` (403); `unavailable` or `store-refused` (503) and `throttled` (429) while the
    /// authority does not decide.
    pub async fn admit(&self, caller: &Caller, access: Access) -> Result<Permit, Error> {
        let (permit, source) = match caller {
            Caller::Bearer(token) => {
                let (key, now) = (self.cache.key((token.hash(), access)), Instant::now());
                let cached = self.cache.get(&key);
                match cached.as_ref().filter(|cached| now < cached.until) {
                    Some(cached) => (full(cached.value, &key.key.1), Source::Cached),
                    // In a box, so that the future of a read with a cached decision is small.
                    None => Box::pin(self.request_decision(token, &key, cached, now)).await,
                }
            }
            // The process's own work does not pass a guard. A request that seems to be it has lost its caller.
            Caller::Internal | Caller::Anonymous | Caller::Malformed => {
                (Err(unauthenticated()), Source::None)
            }
        };
        self.counts.count(Outcome::of(&permit), source);
        permit
    }

    /// Decides where the cache has no decision, or only `cached`, whose time is over.
    async fn request_decision(
        &self,
        token: &BearerToken,
        key: &Hashed<(TokenHash, Access)>,
        cached: Option<CachedDecision<Verdict>>,
        now: Instant,
    ) -> (Result<Permit, Error>, Source) {
        let access = &key.key.1;
        let cached_only = || (Ok(Permit::CachedOnly), Source::Stale);
        let earlier = cached.filter(|cached| self.covers(cached, access, now));
        let failing = earlier.as_ref().and_then(|earlier| earlier.retry);
        if failing.is_some_and(|retry| now < retry) {
            return cached_only();
        }
        let mut waiter = match self.cache.join_or_start(key, || self.request(token.clone(), access.clone())) {
            Ok(waiter) => waiter,
            Err(_) if earlier.is_some() => return cached_only(),
            Err(error) => return (Err(error), Source::Asked),
        };
        let result = match &earlier {
            None => waiter.result().await,
            Some(_) if failing.is_some() => return cached_only(),
            Some(_) => match timeout(STALE_PATIENCE, waiter.result()).await {
                Ok(result) => result,
                Err(_) => {
                    self.cache.note_failure(key);
                    return cached_only();
                }
            },
        };
        match result {
            Ok(decision) => (full(decision.value, access), Source::Asked),
            Err(error) if earlier.is_some() && error.reason().is_outage() => cached_only(),
            Err(error) => (Err(undecided(error)), Source::Asked),
        }
    }

    /// The decision with the rest of its time, for another server's guard. That guard counts it.
    ///
    /// # Errors
    /// `unavailable` or `store-refused` (503) and `throttled` (429) while the authority does not decide.
    pub async fn decision(&self, token: &BearerToken, access: &Access) -> Result<Decision, Error> {
        let key = (token.hash(), access.clone());
        let decision = self.cache.get_or_request(key, || self.request(token.clone(), access.clone())).await;
        let decision = decision.map_err(undecided)?;
        Ok(Decision { verdict: decision.value, lasts: decision.left() })
    }

    /// Abandons its requests in flight, and waits for their tasks.
    pub async fn shutdown(&self) {
        self.cache.shutdown().await;
    }

    /// Whether an earlier decision permits cached reads through an outage.
    fn covers(&self, earlier: &CachedDecision<Verdict>, access: &Access, now: Instant) -> bool {
        let reads = matches!(access, Access::Values { verb: Verb::Get | Verb::List, .. });
        reads && earlier.value == Verdict::Allowed && now < earlier.requested + self.settings.stale_if_error
    }

    /// The request to the authority for a decision and the time it lasts.
    fn request(
        &self,
        token: BearerToken,
        access: Access,
    ) -> impl Future<Output = Result<(Verdict, Duration), Error>> + Send + use<> {
        let (authority, settings) = (self.authority.clone(), self.settings);
        async move {
            let Decision { verdict, lasts } = authority.decide(&token, &access).await?;
            let most = match verdict {
                Verdict::Allowed => settings.allowed_for.min(MOST_ALLOWED_FOR),
                Verdict::Forbidden | Verdict::Unknown => settings.refused_for.min(MOST_REFUSED_FOR),
            };
            tracing::debug!(verdict = verdict.as_str(), %access, "decided");
            Ok((verdict, lasts.min(most)))
        }
    }
}

fn full(verdict: Verdict, access: &Access) -> Result<Permit, Error> {
    verdict.judge(access).map(|()| Permit::Full)
}

fn unauthenticated() -> Error {
    Error::new(
        Reason::Unauthenticated,
        "Unable to authenticate request: please send Authorization: Bearer, with a token of audience nearkv or the KvNamespace's binding token",
    )
}

/// The refusal while no authority is reachable.
pub(super) fn uncheckable() -> Error {
    Error::new(Reason::Unavailable, "Who may do this cannot be checked now; try again")
}

/// Fails closed. The cause stays in the log of the server that had it.
fn undecided(error: Error) -> Error {
    tracing::debug!(reason = error.reason().as_str(), %error, "failed to decide about a request");
    match error.reason() {
        Reason::Throttled | Reason::StoreRefused => error,
        _ => uncheckable().with_retry_after(RETRY_AFTER),
    }
}
