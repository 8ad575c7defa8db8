//! Carries out one operation many times in this process, without sockets, so that callgrind can count what one costs:
//! `instructions read|put|list COUNT`. Used by `tests/instructions.rs`.

use std::{process::ExitCode, sync::Arc};

use axum::{Router, body::Body};
use nearkv::{
    Clock, Error, Kv, Namespace, PutOptions, Random, Value,
    http::server::{Settings as ServerSettings, binding_router},
};
use nearkv_edge_cache::{EdgeCache, Settings as EdgeSettings};
use nearkv_origin::{
    CacheConfig, Catalog, DEFAULT_MIN_TTL, DeletionPolicy, InitialState, NamespaceConfig, Origin, Quota,
    Settings, store::simulated::Simulated,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// As in docs/performance.md.
const VALUE_BYTES: usize = 288;
/// Keys in the KvNamespace.
const KEYS: u64 = 200;
/// Keys on the page that a list asks for.
const PAGE: u64 = 100;
/// One seed, so that two runs do the same.
const SEED: u64 = 1;

/// Knows the one KvNamespace that is configured.
struct NoOther;

#[async_trait::async_trait]
impl Catalog for NoOther {
    async fn look(&self, _: &Namespace) -> Result<Option<NamespaceConfig>, Error> {
        Ok(None)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [operation, count] = &arguments[..] else {
        eprintln!("usage: instructions read|put|list COUNT");
        return ExitCode::from(2);
    };
    let Ok(count) = count.parse() else {
        eprintln!("instructions: COUNT is a number, not {count:?}");
        return ExitCode::from(2);
    };
    match run(operation, count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(operation: &str, count: u64) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let namespace: Namespace = "team-a/settings".parse()?;
        let origin = origin(&namespace).await?;
        let edge = EdgeCache::new(Arc::clone(&origin), &EdgeSettings::default());
        let router = binding_router(Arc::new(edge), &ServerSettings::default());
        let list = format!("?key_count_limit={PAGE}");
        for n in 0..count {
            match operation {
                "read" => get(&router, "/key-7").await?,
                "list" => get(&router, &list).await?,
                "put" => put(&*origin, &namespace, n % KEYS).await?,
                other => return Err(format!("there is no operation {other:?}").into()),
            }
        }
        Ok(())
    })
}

/// An origin with all keys, over a store in memory.
async fn origin(namespace: &Namespace) -> Result<Arc<Origin>, Box<dyn std::error::Error>> {
    let store = Simulated::new(SEED);
    let clock: Arc<dyn Clock> = store.world().clock();
    let (random, settings) =
        (Arc::new(Random::seeded(SEED)), Settings { pacing: None, ..Settings::default() });
    let origin = Origin::new(Arc::new(store), Arc::new(NoOther), clock, random, settings);
    tokio::spawn(Arc::clone(&origin).run(CancellationToken::new()));
    origin.configure(NamespaceConfig {
        namespace: namespace.clone(),
        uid: "uid".to_owned(),
        cache: CacheConfig::default(),
        min_ttl: DEFAULT_MIN_TTL,
        quota: Quota::default(),
        deletion_policy: DeletionPolicy::Delete,
    });
    origin.initialise(namespace, InitialState::New).await?;
    for n in 0..KEYS {
        put(&*origin, namespace, n).await?;
    }
    Ok(origin)
}

async fn put(kv: &dyn Kv, namespace: &Namespace, n: u64) -> Result<(), Box<dyn std::error::Error>> {
    let (key, value) = (nearkv::Key::new(&format!("key-{n}"))?, Value::Bytes(vec![b'v'; VALUE_BYTES].into()));
    kv.put(namespace, &key, value, &PutOptions::default()).await?;
    Ok(())
}

/// A request of the binding API, and its whole answer.
async fn get(router: &Router, path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let request = http::Request::get(format!("/kv/team-a/settings{path}"))
        .header("host", "localhost")
        .body(Body::empty())?;
    let response = router.clone().oneshot(request).await?;
    if response.status() != http::StatusCode::OK {
        return Err(format!("{path} is answered with {}", response.status()).into());
    }
    axum::body::to_bytes(response.into_body(), usize::MAX).await?;
    Ok(())
}
