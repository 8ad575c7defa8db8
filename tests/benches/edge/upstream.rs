//! What the edge asks: an origin that has every key, and an authority that permits everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use nearkv::access::{
    Access, Authority, BearerToken, Decision, Guard, GuardSettings, MOST_ALLOWED_FOR, Verdict,
};
use nearkv::http::server;
use nearkv::testing::Scripted;
use nearkv::{
    Answer, CacheStatus, Clock, Entry, Error, Freshness, Incarnation, Key, Lookup, Random, State,
    SystemClock, Value, Version,
};

use crate::{FOR_EVER, VALUE_BYTES};

/// Permits everything to everybody, and counts how often it is asked.
pub(crate) struct Counting(pub(crate) AtomicU64);

#[async_trait::async_trait]
impl Authority for Counting {
    async fn decide(&self, _: &BearerToken, _: &Access) -> Result<Decision, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Decision { verdict: Verdict::Allowed, lasts: MOST_ALLOWED_FOR })
    }
}

/// The upstream's faces, behind a guard that edges can ask.
pub(crate) fn upstream(kv: Arc<Scripted>, authority: Arc<Counting>) -> Router {
    let guard = Some(Arc::new(Guard::new(authority, GuardSettings::default())));
    server::binding_router(kv, &server::Settings { region: None, guard, ..Default::default() })
}

/// An upstream that has every key, so that it costs little and needs no filling. One key is fresh for ever.
pub(crate) fn everything(ttl: Duration) -> Scripted {
    let version = Version::new(Incarnation::mint(&Random::from_os()), 1);
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    let always_fresh = Key::new(&format!("key-{}", u64::MAX)).expect("a valid key");
    Scripted::default().on_get(move |_, key, _| {
        let max_age = if *key == always_fresh { FOR_EVER } else { ttl };
        let freshness = Freshness { max_age, stale_if_error: FOR_EVER };
        let (age, time, served) = (Duration::ZERO, SystemClock.now(), CacheStatus::Miss.into());
        let value = Value::Bytes(value.clone());
        let entry = Entry { value, metadata: None, expiration: None, version };
        Ok(Answer { body: Lookup::Found(entry), state: State { version, age, time, freshness, served } })
    })
}
