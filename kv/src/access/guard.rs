//! Whether a caller may go on. Decisions of the authority are remembered, an allowance for at most a minute and a
//! refusal for half of that; without one nothing goes on.
//!
//! The one exception is told in [`GuardSettings::stale_if_error`]. *An outage of the authority:* t0 a token is allowed
//! to get; t60 the next read asks again, and nobody can be reached: within a second it is answered from the cache; t61
//! and on, reads are answered from the cache at once, and once a second one of them starts a question in the
//! background; t90 the authority is back, and says no: the next read is refused.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    Access, Authority, BearerToken, Caller, Decision, Decisions, Desk, TokenHash, Verb, Verdict,
    decisions::{Outcome, Source},
    desk::Held,
    hashed::Hashed,
};
use crate::{Error, Reason};

/// Longest that an allowance is believed: so long a revoked token may go on (design §9).
pub const MOST_ALLOWED_FOR: Duration = Duration::from_secs(60);
/// Longest that a refusal is: so long a new permission may have to wait.
pub const MOST_REFUSED_FOR: Duration = Duration::from_secs(30);
/// Decisions that are remembered, per generation: about 200 bytes each.
const CAPACITY: usize = 50_000;
/// Longest that a read which an earlier allowance covers waits for the authority.
const STALE_PATIENCE: Duration = Duration::from_secs(1);
/// When to try again after an outage of the authority.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long decisions are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardSettings {
    /// An allowance, at most [`MOST_ALLOWED_FOR`].
    pub allowed_for: Duration,
    /// A refusal, at most [`MOST_REFUSED_FOR`].
    pub refused_for: Duration,
    /// While the authority cannot be *reached*, an earlier allowance of the same token, KvNamespace and verb goes on
    /// serving cached reads for so long. A server that caches nothing has zero here, which is strict.
    pub stale_if_error: Duration,
}

impl Default for GuardSettings {
    /// The longest there are, and strict.
    fn default() -> Self {
        Self { allowed_for: MOST_ALLOWED_FOR, refused_for: MOST_REFUSED_FOR, stale_if_error: Duration::ZERO }
    }
}

/// How far a caller may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// All the way.
    Full,
    /// The authority cannot be reached, and has allowed this before: what is cached may be read.
    CachedOnly,
}

/// Asks the authority, and remembers.
pub struct Guard {
    authority: Arc<dyn Authority>,
    settings: GuardSettings,
    desk: Arc<Desk<(TokenHash, Access), Verdict>>,
    decisions: Arc<Decisions>,
}

impl Guard {
    /// A guard that remembers nothing yet. End it with [`Guard::shutdown`].
    #[must_use]
    pub fn new(authority: Arc<dyn Authority>, settings: GuardSettings) -> Self {
        Self { authority, settings, desk: Desk::new(CAPACITY), decisions: Arc::default() }
    }

    /// The same guard, whose decisions are counted there.
    #[must_use]
    pub fn counted_by(self, decisions: &Arc<Decisions>) -> Self {
        Self { decisions: Arc::clone(decisions), ..self }
    }

    /// Whether the caller may go on.
    ///
    /// # Errors
    /// `unauthenticated` (401), `forbidden` (403); `unavailable` or `store-refused` (503) and `throttled` (429) while it
    /// cannot be decided.
    pub async fn admit(&self, caller: &Caller, access: Access) -> Result<Permit, Error> {
        let (permit, source) = match caller {
            Caller::Bearer(token) => {
                let (key, now) = (self.desk.key((token.hash(), access)), Instant::now());
                let held = self.desk.held(&key);
                match held.as_ref().filter(|held| now < held.until) {
                    Some(held) => (full(held.value, &key.key.1), Source::Cached),
                    // In a box, so that the future of a read that need not ask is small.
                    None => Box::pin(self.weigh(token, &key, held, now)).await,
                }
            }
            // The process's own work does not come in by the door; whoever seems to is nobody.
            Caller::Own | Caller::Nobody | Caller::Unclear => (Err(nobody()), Source::None),
        };
        self.decisions.count(Outcome::of(&permit), source);
        permit
    }

    /// Decides where nothing is known, or only what was `held` for longer than it may be.
    async fn weigh(
        &self,
        token: &BearerToken,
        key: &Hashed<(TokenHash, Access)>,
        held: Option<Held<Verdict>>,
        now: Instant,
    ) -> (Result<Permit, Error>, Source) {
        let access = &key.key.1;
        let cached_only = || (Ok(Permit::CachedOnly), Source::Stale);
        let earlier = held.filter(|held| self.covers(held, access, now));
        let failing = earlier.as_ref().and_then(|held| held.retry);
        if failing.is_some_and(|retry| now < retry) {
            return cached_only();
        }
        let seat = match self.desk.ask(key, || self.question(token.clone(), access.clone())) {
            Ok(seat) => seat,
            Err(_) if earlier.is_some() => return cached_only(),
            Err(error) => return (Err(error), Source::Asked),
        };
        let answer = match &earlier {
            None => seat.answer().await,
            Some(_) if failing.is_some() => return cached_only(),
            Some(_) => match timeout(STALE_PATIENCE, seat.answer()).await {
                Ok(answer) => answer,
                Err(_) => {
                    self.desk.failing(key);
                    return cached_only();
                }
            },
        };
        match answer {
            Ok(held) => (full(held.value, access), Source::Asked),
            Err(error) if earlier.is_some() && error.reason().is_outage() => cached_only(),
            Err(error) => (Err(undecided(error)), Source::Asked),
        }
    }

    /// The decision, for another guard that asks this one, with what is left of its time. That one counts it.
    ///
    /// # Errors
    /// Whatever keeps it from being decided.
    pub async fn decision(&self, token: &BearerToken, access: &Access) -> Result<Decision, Error> {
        let key = (token.hash(), access.clone());
        let held = self.desk.answer(key, || self.question(token.clone(), access.clone())).await;
        let held = held.map_err(undecided)?;
        Ok(Decision { verdict: held.value, lasts: held.left() })
    }

    /// Gives up its questions, and waits for their tasks.
    pub async fn shutdown(&self) {
        self.desk.shutdown().await;
    }

    /// Whether an earlier decision lets cached reads go on through an outage.
    fn covers(&self, held: &Held<Verdict>, access: &Access, now: Instant) -> bool {
        let reads = matches!(access, Access::Values { verb: Verb::Get | Verb::List, .. });
        reads && held.value == Verdict::Allowed && now < held.asked + self.settings.stale_if_error
    }

    fn question(
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

fn nobody() -> Error {
    Error::new(
        Reason::Unauthenticated,
        "Unable to authenticate request: please send Authorization: Bearer, with a token of audience nearkv or the KvNamespace's binding token",
    )
}

/// The refusal while nobody who knows can be reached.
pub(super) fn uncheckable() -> Error {
    Error::new(Reason::Unavailable, "Who may do this cannot be checked now; try again")
}

/// Fails closed; the cause stays in the log of whoever had it.
fn undecided(error: Error) -> Error {
    tracing::debug!(reason = error.reason().as_str(), %error, "failed to decide about a request");
    match error.reason() {
        Reason::Throttled | Reason::StoreRefused => error,
        _ => uncheckable().with_retry_after(RETRY_AFTER),
    }
}
