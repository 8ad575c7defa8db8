//! Bounded random tests of both faces over the model, without sockets: whatever comes, an answer comes, it is no 5xx,
//! a refusal has changed nothing, and what was taken has changed exactly what it said.
//!
//! `NEARKV_SEED=n` runs one seed, `NEARKV_SEEDS=n` sets how many are run. A failure names its seed.

mod bodies;
mod bulks;
mod forms;
mod paths;
mod tenants;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::START;
use crate::{
    Expiration, GetOptions, Kv, ListOptions, Lookup, Namespace, Namespaces, Random,
    http::{
        names,
        server::{Settings, router},
    },
    testing::{ManualClock, Memory},
};

/// Seeds of a usual run.
const SEEDS: u64 = 300;
/// Requests of one seed.
const REQUESTS: usize = 30;
/// On the virtual clock: an answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An entry as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    value: Bytes,
    metadata: Option<String>,
    expiration: Option<Expiration>,
}

type Entries = BTreeMap<String, Kept>;

/// Everything there is: namespaces by name and title, and their entries.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Contents(BTreeMap<(String, String), Entries>);

/// An answer that came to its end.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// The faces over a model with one KvNamespace, and what one seed decides.
struct World {
    memory: Arc<Memory>,
    router: Router,
    random: Random,
    namespace: Namespace,
}

impl World {
    fn new(seed: u64) -> Self {
        let memory = Arc::new(Memory::new(Arc::new(ManualClock::at(START)), Random::seeded(seed)));
        let namespace: Namespace = "team-a/settings".parse().unwrap();
        Memory::create(&memory, &namespace);
        let router = router(memory.clone(), memory.clone(), &Settings::default());
        Self { memory, router, random: Random::seeded(seed), namespace }
    }

    /// The REST face's path of the KvNamespace.
    fn rest(&self) -> String {
        format!("/client/v4/accounts/team-a/storage/kv/namespaces/{}", self.namespace.id())
    }

    fn below(&self, bound: usize) -> usize {
        self.random.below(bound as u64) as usize
    }

    fn one_in(&self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<'a, T: ?Sized>(&self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    async fn contents(&self) -> Contents {
        let mut all = BTreeMap::new();
        for info in Namespaces::list(&*self.memory, "team-a").await.unwrap() {
            let mut entries = Entries::new();
            let page = Kv::list(&*self.memory, &info.namespace, &ListOptions::default()).await.unwrap().body;
            assert!(page.cursor.is_none(), "a world is smaller than a page");
            for listed in page.keys {
                let read = self.memory.get(&info.namespace, &listed.name, &GetOptions::default()).await;
                let Lookup::Found(entry) = read.unwrap().body else { panic!("{:?} is listed", listed.name) };
                let kept = Kept {
                    value: entry.value.into_bytes().await.unwrap(),
                    metadata: entry.metadata.map(|metadata| metadata.as_str().to_owned()),
                    expiration: entry.expiration,
                };
                entries.insert(listed.name.as_str().to_owned(), kept);
            }
            all.insert((info.namespace.to_string(), info.title), entries);
        }
        Contents(all)
    }

    async fn entries(&self) -> Entries {
        let Contents(mut all) = self.contents().await;
        all.remove(&(self.namespace.to_string(), self.namespace.name().to_owned())).unwrap()
    }

    /// Sends a request and judges what holds for every answer.
    async fn send(&self, request: Request<Body>) -> Answered {
        let (method, uri, fields) =
            (request.method().clone(), request.uri().clone(), request.headers().clone());
        let answer = tokio::time::timeout(PATIENCE, async {
            let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
            let body = body.collect().await.expect("the answer's body ends").to_bytes();
            Answered { status: parts.status, headers: parts.headers, body }
        });
        let answer = answer.await.unwrap_or_else(|_| panic!("no answer to {method} {uri}"));
        let Answered { status, headers, body } = &answer;
        assert!(status.as_u16() >= 200 && !status.is_server_error(), "{method} {uri}: {status} {body:?}");
        let is_rest = is_rest(&uri) && !fields.contains_key(&names::NEARKV_NAMESPACE);
        if is_rest && method != http::Method::HEAD {
            let media_type = headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
            let is_value = status.is_success() && media_type != Some(b"application/json");
            assert!(is_value || is_envelope(*status, body), "{method} {uri}: {status} {body:?}");
        } else if status.is_client_error() && *status != StatusCode::NOT_FOUND {
            assert!(headers.contains_key(&names::NEARKV_REASON), "{method} {uri}: {status} without a reason");
        }
        answer
    }
}

fn is_rest(uri: &Uri) -> bool {
    let inner = uri.path().strip_prefix("/client/v4");
    inner.is_some_and(|inner| inner.is_empty() || inner.starts_with('/'))
}

/// Whether a body is the envelope that belongs to a status (contract §3.2).
fn is_envelope(status: StatusCode, body: &[u8]) -> bool {
    let Ok(envelope) = serde_json::from_slice::<serde_json::Value>(body) else { return false };
    let errors = envelope["errors"].as_array().map_or(usize::MAX, Vec::len);
    let told = errors == 1
        && envelope["errors"][0]["code"].as_u64().is_some_and(|code| code >= 7000)
        && envelope["errors"][0]["message"].as_str().is_some_and(|text| !text.is_empty());
    envelope["success"] == status.is_success()
        && envelope["messages"].is_array()
        && envelope.get("result").is_some()
        && if status.is_success() { errors == 0 } else { told }
}

/// Runs one story for every seed, each on a virtual clock, and names those that fail.
fn for_every_seed(name: &str, story: impl AsyncFn(&World)) {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("NEARKV_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NEARKV_SEEDS").unwrap_or(SEEDS),
    };
    println!("{name}: {} seeds of {REQUESTS} requests", seeds.end - seeds.start);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap();
    let fails = |seed: &u64| {
        let world = World::new(*seed);
        runtime.block_on(AssertUnwindSafe(story(&world)).catch_unwind()).is_err()
    };
    let failed: Vec<u64> = seeds.filter(fails).take(5).collect();
    for seed in &failed {
        println!("  NEARKV_SEED={seed} cargo test -p nearkv {name} -- --nocapture");
    }
    assert!(failed.is_empty(), "seeds {failed:?} failed");
}
