//! Two tenants behind one guard, for the tests of who may do what through which face.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, body::Body, response::Response};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::START;
use crate::{
    Error, Key, Kv, Namespace, Namespaces, PutOptions, Random, Value,
    access::{Access, Authority, BearerToken, Decision, Guard, GuardSettings, Verb, Verdict},
    http::server::{Settings, router},
    testing::{ManualClock, Memory},
};

/// What stands in the values of team-b, and must never be seen by team-a.
pub(super) const SECRET: &str = "the-secret-of-team-b";

/// `a` and `b` have all verbs on the values of their account's KvNamespaces, `reader-a` gets and lists, `manager-a` has
/// all verbs on the KvNamespaces of team-a and none on values, `admin` may do everything; all else is nobody's.
pub(super) struct Tenants;

#[async_trait]
impl Authority for Tenants {
    async fn decide(&self, token: &BearerToken, access: &Access) -> Result<Decision, Error> {
        let values_of = |account: &str| matches!(access, Access::Values { namespace, .. } if namespace.account() == account);
        let reads = matches!(access, Access::Values { verb: Verb::Get | Verb::List, .. });
        let objects_of_a = matches!(access, Access::Namespaces { account, .. } if **account == *"team-a");
        let permitted = match token.expose() {
            "a" => values_of("team-a"),
            "b" => values_of("team-b"),
            "reader-a" => values_of("team-a") && reads,
            "manager-a" => objects_of_a,
            "admin" => true,
            _ => return Ok(Decision { verdict: Verdict::Unknown, lasts: Duration::from_secs(30) }),
        };
        let permitted = permitted || *access == Access::Authenticated;
        let verdict = if permitted { Verdict::Allowed } else { Verdict::Forbidden };
        Ok(Decision { verdict, lasts: Duration::from_secs(60) })
    }
}

pub(super) struct Guarded {
    pub(super) memory: Arc<Memory>,
    pub(super) router: Router,
}

impl Guarded {
    /// `settings` of either account, with one key.
    pub(super) async fn new(seed: u64) -> Self {
        let memory = Arc::new(Memory::new(Arc::new(ManualClock::at(START)), Random::seeded(seed)));
        for (account, value) in [("team-a", "of team-a"), ("team-b", SECRET)] {
            let namespace = Namespace::new(account, "settings").unwrap();
            Memory::create(&memory, &namespace);
            let key = Key::new("k").unwrap();
            memory.put(&namespace, &key, Value::from(value), &PutOptions::default()).await.unwrap();
        }
        let guard = Some(Arc::new(Guard::new(Arc::new(Tenants), GuardSettings::default())));
        let (kv, namespaces): (Arc<dyn Kv>, Arc<dyn Namespaces>) = (memory.clone(), memory.clone());
        Self {
            memory,
            router: router(kv, namespaces, &Settings { region: None, guard, ..Default::default() }),
        }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> (StatusCode, http::HeaderMap, Bytes) {
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }
}
