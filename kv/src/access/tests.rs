//! The guard with a scripted authority on virtual time: what is remembered, for how long, and what an outage changes.

mod outage;
mod tokens;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{Instant, advance, sleep};
use tracing::Instrument;

use super::*;
use crate::{
    GetOptions, Key, Kv, Lookup, Mutation, PutOptions, Random, UnixMillis, Value,
    testing::{ManualClock, Memory},
};

const LONG: Duration = Duration::from_secs(3600);

/// What the authority does next.
#[derive(Clone)]
enum Next {
    Says(Verdict, Duration),
    /// Answers so only after this time.
    SaysAfter(Duration, Verdict),
    Fails(Reason),
}

/// Plays its script to the end, and the last line for ever.
struct Scripted {
    script: Mutex<VecDeque<Next>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(script: &[Next]) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script.iter().cloned().collect()), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Authority for Scripted {
    async fn decide(&self, _: &BearerToken, _: &Access) -> Result<Decision, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let next = {
            let mut script = self.script.lock();
            if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() }
        };
        match next {
            Next::Says(verdict, lasts) => Ok(Decision { verdict, lasts }),
            Next::SaysAfter(delay, verdict) => {
                sleep(delay).await;
                Ok(Decision { verdict, lasts: LONG })
            }
            Next::Fails(reason) => Err(Error::new(reason, "scripted")),
        }
    }
}

fn allowed() -> Next {
    Next::Says(Verdict::Allowed, LONG)
}

fn bearer(text: &str) -> Caller {
    Caller::Bearer(BearerToken::new(text).unwrap())
}

fn access(verb: Verb) -> Access {
    Access::values(&"team-a/settings".parse().unwrap(), verb)
}

fn guard(authority: &Arc<Scripted>, stale_if_error: Duration) -> Guard {
    Guard::new(authority.clone(), GuardSettings { stale_if_error, ..GuardSettings::default() })
}

async fn outcome(guard: &Guard, caller: &Caller, verb: Verb) -> Result<Permit, &'static str> {
    guard.admit(caller, access(verb)).await.map_err(|error| error.reason().as_str())
}

#[tokio::test(start_paused = true)]
async fn a_permission_is_asked_for_once_in_a_minute_and_a_refusal_twice() {
    for (verdict, lasts, expected) in [
        (Verdict::Allowed, 60, Ok(Permit::Full)),
        (Verdict::Forbidden, 30, Err("forbidden")),
        (Verdict::Unknown, 30, Err("unauthenticated")),
    ] {
        let authority = Scripted::new(&[Next::Says(verdict, LONG)]);
        let guard = guard(&authority, LONG);
        let caller = bearer("t");
        assert_eq!(outcome(&guard, &caller, Verb::Get).await, expected);
        advance(Duration::from_millis(lasts * 1000 - 1)).await;
        assert_eq!(outcome(&guard, &caller, Verb::Get).await, expected);
        assert_eq!(authority.asked(), 1, "{verdict:?} is remembered");
        advance(Duration::from_millis(1)).await;
        assert_eq!(outcome(&guard, &caller, Verb::Get).await, expected);
        assert_eq!(authority.asked(), 2, "{verdict:?} is remembered for no longer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_is_believed_no_longer_than_the_authority_says() {
    let authority = Scripted::new(&[Next::Says(Verdict::Allowed, Duration::from_secs(7)), allowed()]);
    let guard = guard(&authority, Duration::ZERO);
    outcome(&guard, &bearer("t"), Verb::Get).await.unwrap();
    advance(Duration::from_secs(3)).await;
    let token = BearerToken::new("t").unwrap();
    let passed_on = guard.decision(&token, &access(Verb::Get)).await.unwrap();
    assert_eq!(passed_on, Decision { verdict: Verdict::Allowed, lasts: Duration::from_secs(4) });
    advance(Duration::from_secs(4)).await;
    outcome(&guard, &bearer("t"), Verb::Get).await.unwrap();
    assert_eq!(authority.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn tokens_kvnamespaces_and_verbs_are_each_decided_for_themselves() {
    let authority = Scripted::new(&[allowed()]);
    let guard = guard(&authority, Duration::ZERO);
    let other = Access::values(&"team-b/settings".parse().unwrap(), Verb::Get);
    for (caller, access) in [
        (bearer("t"), access(Verb::Get)),
        (bearer("u"), access(Verb::Get)),
        (bearer("t"), access(Verb::List)),
        (bearer("t"), other),
    ] {
        let before = authority.asked();
        for _ in 0..2 {
            guard.admit(&caller, access.clone()).await.unwrap();
        }
        assert_eq!(authority.asked(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_shows_no_token_is_refused_without_a_question() {
    let authority = Scripted::new(&[allowed()]);
    let guard = guard(&authority, LONG);
    for caller in [Caller::Anonymous, Caller::Malformed, Caller::Internal] {
        assert_eq!(outcome(&guard, &caller, Verb::Get).await, Err("unauthenticated"), "{caller:?}");
    }
    assert_eq!(authority.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_ask_once_also_if_the_first_goes_away() {
    let authority = Scripted::new(&[Next::SaysAfter(Duration::from_secs(1), Verdict::Allowed)]);
    let guard = Arc::new(guard(&authority, Duration::ZERO));
    let ask = || {
        let guard = guard.clone();
        tokio::spawn(async move { outcome(&guard, &bearer("t"), Verb::Get).await })
    };
    let first = ask();
    tokio::task::yield_now().await;
    let others: Vec<_> = (0..99).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    first.abort();
    for other in others {
        assert_eq!(other.await.unwrap(), Ok(Permit::Full));
    }
    assert_eq!(authority.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn decisions_are_counted_by_what_they_are_and_where_they_are_known_from() {
    let refusals = [Next::Says(Verdict::Forbidden, LONG), Next::Says(Verdict::Unknown, LONG)];
    let script = [&[allowed()][..], &refusals, &[Next::Fails(Reason::Unavailable)]].concat();
    let counts = Arc::<DecisionCounts>::default();
    let guard = guard(&Scripted::new(&script), LONG).counted_by(&counts);
    for caller in ["good", "good", "narrow", "narrow", "bad", "bad", "late"].map(bearer) {
        let _asked = outcome(&guard, &caller, Verb::Get).await;
    }
    let _asked = outcome(&guard, &Caller::Anonymous, Verb::Get).await;
    // Who knows is away.
    advance(Duration::from_secs(61)).await;
    for _ in 0..2 {
        let _asked = outcome(&guard, &bearer("good"), Verb::Get).await;
    }
    assert_eq!(
        counts.counted(),
        [
            ("allowed", "cached", 1),
            ("allowed", "asked", 1),
            ("allowed", "stale", 2),
            ("forbidden", "cached", 1),
            ("forbidden", "asked", 1),
            ("unauthenticated", "none", 1),
            ("unauthenticated", "cached", 1),
            ("unauthenticated", "asked", 1),
            ("unavailable", "asked", 1),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded() {
    let cache: Arc<DecisionCache<u64, ()>> = DecisionCache::new(160);
    for key in 0..10_000u64 {
        let mut waiter = cache.join_or_start(&cache.key(key), || async { Ok(((), LONG)) }).unwrap();
        waiter.result().await.unwrap();
    }
    let cached = (0..10_000u64).filter(|key| cache.get(&cache.key(*key)).is_some()).count();
    assert!((160..=16 * 20).contains(&cached), "{cached}");
    assert!(cache.get(&cache.key(9_999)).is_some());
}

/// Permits these verbs on values, whatever the token.
struct Only(&'static [Verb]);

#[async_trait]
impl Authority for Only {
    async fn decide(&self, _: &BearerToken, access: &Access) -> Result<Decision, Error> {
        let permitted = matches!(access, Access::Values { verb, .. } if self.0.contains(verb));
        let verdict = if permitted { Verdict::Allowed } else { Verdict::Forbidden };
        Ok(Decision { verdict, lasts: LONG })
    }
}

#[tokio::test]
async fn a_bulk_needs_the_verb_of_each_of_its_mutations_or_changes_nothing() {
    let clock = Arc::new(ManualClock::at(UnixMillis(1_800_000_000_000)));
    let memory = Arc::new(Memory::new(clock, Random::seeded(1)));
    let namespace: Namespace = "team-a/settings".parse().unwrap();
    memory.create(&namespace);
    let key = |name: &str| Key::new(name).unwrap();
    let put =
        |name| Mutation::Put { key: key(name), value: Value::from("v"), options: PutOptions::default() };
    let delete = |name| Mutation::Delete { key: key(name), options: Default::default() };
    memory.put(&namespace, &key("kept"), Value::from("v"), &PutOptions::default()).await.unwrap();
    let write = async |verbs: &'static [Verb], mutations: Vec<Mutation>| {
        let guard = Arc::new(Guard::new(Arc::new(Only(verbs)), GuardSettings::default()));
        let guarded = Guarded::new(memory.clone(), guard);
        let mutations = futures::StreamExt::boxed(futures::stream::iter(mutations.into_iter().map(Ok)));
        let written = bearer("t").scope(guarded.write_many(&namespace, mutations)).await;
        written.map(drop).map_err(|error| error.reason().as_str())
    };
    assert_eq!(write(&[], vec![]).await, Err("forbidden"));
    assert_eq!(write(&[Verb::Update], vec![put("a"), delete("kept")]).await, Err("forbidden"));
    assert_eq!(write(&[Verb::Delete], vec![delete("kept"), put("a")]).await, Err("forbidden"));
    let there = async |name| {
        let read = memory.get(&namespace, &key(name), &GetOptions::default()).await.unwrap();
        !matches!(read.body, Lookup::Absent)
    };
    assert!(there("kept").await && !there("a").await, "a refused bulk has changed nothing");
    assert_eq!(write(&[Verb::Update, Verb::Delete], vec![put("a"), delete("kept")]).await, Ok(()));
    assert!(!there("kept").await && there("a").await);
}

/// Remembers the trace in which it was asked.
#[derive(Default)]
struct Traced(Mutex<Option<http::HeaderMap>>);

#[async_trait]
impl Authority for Traced {
    async fn decide(&self, _: &BearerToken, _: &Access) -> Result<Decision, Error> {
        let mut headers = http::HeaderMap::new();
        crate::telemetry::inject(&mut headers);
        *self.0.lock() = Some(headers);
        Ok(Decision { verdict: Verdict::Allowed, lasts: LONG })
    }
}

#[tokio::test]
async fn a_question_belongs_to_the_trace_of_who_asked_first() {
    let _spans_are_made = tracing::subscriber::set_default(crate::telemetry::collected_nowhere());
    let authority = Arc::<Traced>::default();
    let guard = Guard::new(authority.clone(), GuardSettings::default());
    let span = tracing::debug_span!(target: crate::telemetry::SPANS, "request");
    let trace = crate::telemetry::trace_id(&span).unwrap();
    outcome(&guard, &bearer("t"), Verb::Get).instrument(span).await.unwrap();
    let headers = authority.0.lock().take().unwrap();
    assert!(headers["traceparent"].to_str().unwrap().contains(&trace), "{trace} {headers:?}");
}
