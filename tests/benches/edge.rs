//! What a read at the edge costs, on loopback, with the edge on one core and everything else on the other:
//! requests per second and CPU time per cached GET, without a token, with one that nobody asks for, and with one that is
//! checked, and the longest single GET while half a million entries pass their deadlines, beside the same run in which
//! none does.
//!
//! `cargo bench -p nearkv-tests --bench edge`; about six minutes, `-- reads` or `-- deadlines` for one half of it.
//! Figures: `docs/performance.md`.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends, and says where")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use nearkv::access::{
    Access, Authority, BearerToken, Decision, Guard, GuardSettings, MOST_ALLOWED_FOR, Verdict,
};
use nearkv::http::server;
use nearkv::testing::Scripted;
use nearkv::{
    Answer, CacheStatus, Clock, Entry, Error, Freshness, Incarnation, Key, Lookup, Random, State,
    SystemClock, Value, Version,
};
use nearkv_tests::Process;
use nearkv_tests::bench::{Connection, Figures, closed_loops, cpu_time, pin_this_process, pinned};
use nearkv_tests::binaries::Binaries;
use nearkv_tests::folders::run_folder;
use nearkv_tests::ports::free_port;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The core the edge is bound to.
const EDGE_CORE: usize = 0;
/// The core of the load and the upstream.
const LOAD_CORE: usize = 1;
/// Bytes of a value: the median object of the original (contract §4.3, 2025-08-22).
const VALUE_BYTES: usize = 288;
/// Keys that the throughput is measured over: more than one, so that nothing is a single hot line.
const HOT_KEYS: u64 = 10_000;
/// Characters of a token: a ServiceAccount's with the name of its pod has so many.
const TOKEN_BYTES: usize = 1000;
/// Clients at once: enough to keep one core busy.
const CLIENTS: usize = 32;
/// For one measurement of throughput.
const MEASURED: Duration = Duration::from_secs(4);
/// As often are the edges measured by turns: what else the machine does falls on all of them.
const ROUNDS: usize = 8;
/// Entries that pass their deadlines.
const EXPIRING: u64 = 500_000;
/// Their time to live: longer than filling takes, so that all of them are fresh when the watch begins.
const DEADLINE: Duration = Duration::from_secs(90);
/// How long a single reader goes on after the first deadline: until well after the last.
const WATCHED: Duration = Duration::from_secs(100);
/// A time to live that ends in no run.
const FOR_EVER: Duration = Duration::from_secs(86_400);

/// How the benchmark runs.
#[derive(Parser)]
struct Arguments {
    /// Only this half of it.
    half: Option<Half>,
    /// Given by `cargo bench`; nothing depends on it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Half {
    Reads,
    Deadlines,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> nearkv_tests::Result<()> {
    let Arguments { half, bench: _ } = Arguments::parse();
    tokio::task::spawn_blocking(Binaries::build).await.expect("building does not panic")?;
    pin_this_process(LOAD_CORE)?;
    println!("edge on core {EDGE_CORE}, {VALUE_BYTES}-byte values, HTTP/1.1 keep-alive on loopback");
    if half.is_none_or(|half| half == Half::Reads) {
        throughput().await?;
    }
    if half.is_none_or(|half| half == Half::Deadlines) {
        for (name, ttl) in [("no deadline passes", FOR_EVER), ("500,000 deadlines pass", DEADLINE)] {
            longest_get(name, ttl).await?;
        }
    }
    Ok(())
}

/// Whether callers are asked who they are.
#[derive(Clone, Copy, Debug)]
enum Callers {
    Anybody,
    /// Each shows a token as long as a ServiceAccount's, and nobody asks for it: what reading its bytes costs.
    Unasked,
    /// Each shows such a token, and it is checked.
    Bearers,
}

impl Callers {
    fn auth(self) -> &'static str {
        match self {
            Self::Anybody | Self::Unasked => "off",
            Self::Bearers => "on",
        }
    }

    fn get(self, number: u64) -> Vec<u8> {
        let authorization = match self {
            Self::Anybody => String::new(),
            Self::Unasked | Self::Bearers => format!("Authorization: Bearer {}\r\n", "t".repeat(TOKEN_BYTES)),
        };
        format!("GET /kv/bench/edge/key-{number} HTTP/1.1\r\nHost: edge\r\n{authorization}\r\n").into_bytes()
    }
}

/// Permits everything to everybody, and counts how often it is asked.
struct Counting(AtomicU64);

#[async_trait::async_trait]
impl Authority for Counting {
    async fn decide(&self, _: &BearerToken, _: &Access) -> Result<Decision, Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Decision { verdict: Verdict::Allowed, lasts: MOST_ALLOWED_FOR })
    }
}

/// An edge, and what it did so far.
struct Measured {
    callers: Callers,
    authority: Arc<Counting>,
    edge: Process,
    address: SocketAddr,
    figures: Figures,
    /// CPU per request in each round, in µs.
    rounds: Vec<f64>,
}

impl Measured {
    async fn start(callers: Callers) -> nearkv_tests::Result<Self> {
        let authority = Arc::new(Counting(AtomicU64::new(0)));
        let (edge, address) = edge(FOR_EVER, callers, authority.clone()).await?;
        fill(address, HOT_KEYS, callers).await?;
        Ok(Self { callers, authority, edge, address, figures: Figures::default(), rounds: Vec::new() })
    }

    async fn go_on(&mut self) -> nearkv_tests::Result<()> {
        let before = cpu_time(self.edge.id())?;
        let figures = closed_loops(self.address, CLIENTS, MEASURED, |client, number| {
            // A stride that is coprime to the number of keys visits all of them, each client from its own start.
            self.callers.get((client as u64 * 313 + number * 7_919) % HOT_KEYS)
        })
        .await?;
        let cpu = cpu_time(self.edge.id())? - before;
        self.rounds.push(cpu.as_secs_f64() * 1e6 / figures.succeeded as f64);
        self.figures += figures;
        Ok(())
    }

    /// How much more a request costs here than there in the same round, in percent: of most rounds, since a round in
    /// which the machine was taken away says nothing.
    fn more_than(&self, other: &Measured) -> f64 {
        let ratios = self.rounds.iter().zip(&other.rounds).map(|(own, other)| own / other);
        (median(ratios.collect()) - 1.0) * 100.0
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Requests per second and CPU per request, every one a hit. The edges take turns.
async fn throughput() -> nearkv_tests::Result<()> {
    let mut edges = Vec::new();
    for callers in [Callers::Anybody, Callers::Unasked, Callers::Bearers] {
        edges.push(Measured::start(callers).await?);
    }
    for _ in 0..ROUNDS {
        for edge in &mut edges {
            edge.go_on().await?;
        }
    }
    let [anybody, unasked, bearers] = &edges[..] else { return Ok(()) };
    for edge in [anybody, unasked, bearers] {
        println!(
            "cached GET, {CLIENTS} clients, --auth={}, {:?}: {:.0} requests/s, {:.2} µs CPU each, p50 {:?}, p99 {:?}, {} failed, {} questions about a token",
            edge.callers.auth(),
            edge.callers,
            edge.figures.rate(),
            median(edge.rounds.clone()),
            edge.figures.quantile(0.5),
            edge.figures.quantile(0.99),
            edge.figures.failed,
            edge.authority.0.load(Ordering::Relaxed),
        );
    }
    println!(
        "a token's {TOKEN_BYTES} bytes: {:+.1} % CPU, its check: {:+.1} %",
        unasked.more_than(anybody),
        bearers.more_than(unasked),
    );
    Ok(())
}

/// The longest GET of one client reading one key whose own time to live does not end, while the others' do.
async fn longest_get(name: &str, ttl: Duration) -> nearkv_tests::Result<()> {
    let authority = Arc::new(Counting(AtomicU64::new(0)));
    let (edge, address) = edge(ttl, Callers::Anybody, authority).await?;
    let start = Instant::now();
    fill(address, EXPIRING, Callers::Anybody).await?;
    let filled = start.elapsed();
    sleep(DEADLINE.saturating_sub(filled)).await;
    let before = cpu_time(edge.id())?;
    let figures = closed_loops(address, 1, WATCHED, |_, _| Callers::Anybody.get(u64::MAX)).await?;
    println!(
        "longest GET, {name}: {:?} of {} (p50 {:?}, p99.9 {:?}), {:.1} µs CPU each; filled in {:.0} s",
        figures.longest(),
        figures.succeeded,
        figures.quantile(0.5),
        figures.quantile(0.999),
        (cpu_time(edge.id())? - before).as_secs_f64() * 1e6 / figures.succeeded as f64,
        filled.as_secs_f64(),
    );
    Ok(())
}

/// Reads each of the first keys once, so that the edge holds them.
async fn fill(address: SocketAddr, keys: u64, callers: Callers) -> nearkv_tests::Result<()> {
    let each = keys / CLIENTS as u64;
    let clients = (0..CLIENTS as u64).map(|client| async move {
        let mut connection = Connection::open(address).await?;
        for number in client * each..(client + 1) * each {
            let exchanged = connection.exchange(&callers.get(number)).await;
            assert!(matches!(exchanged, Ok(200)), "filling the edge with key {number}: {exchanged:?}");
        }
        Ok(())
    });
    futures::future::try_join_all(clients).await.map(|_: Vec<()>| ())
}

/// An edge on its core, before an upstream of this process.
async fn edge(
    ttl: Duration,
    callers: Callers,
    authority: Arc<Counting>,
) -> nearkv_tests::Result<(Process, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let address = listener.local_addr().expect("a bound listener has an address");
    let kv = Arc::new(everything(ttl));
    tokio::spawn(server::serve(listener, upstream(kv, authority), CancellationToken::new()));
    let binaries = tokio::task::spawn_blocking(Binaries::build).await.expect("building does not panic")?;
    let (data, admin) = (free_port()?, free_port()?);
    let token = run_folder()?.join("edge-token");
    std::fs::write(&token, "the-edges-own").expect("the folder of this run is there");
    let mut edge = pinned("edge", EDGE_CORE, &binaries.edge_cache)
        .args(["--origin", &format!("http://{address}"), "--region", "bench", "--cache-size", "2Gi"])
        .args(["--auth", callers.auth(), "--origin-token-file", &token.display().to_string()])
        .args(["--listen", &format!("127.0.0.1:{data}"), "--admin-listen", &format!("127.0.0.1:{admin}")])
        .start()?;
    edge.wait_for_url(&format!("http://127.0.0.1:{admin}/readyz"), Duration::from_secs(30)).await?;
    Ok((edge, SocketAddr::from(([127, 0, 0, 1], data))))
}

/// The upstream's faces, behind a guard that edges can ask.
fn upstream(kv: Arc<Scripted>, authority: Arc<Counting>) -> Router {
    let guard = Some(Arc::new(Guard::new(authority, GuardSettings::default())));
    server::binding_router(kv, &server::Settings { region: None, guard, ..Default::default() })
}

/// An upstream that has every key, so that it costs little and needs no filling. One key is fresh for ever.
fn everything(ttl: Duration) -> Scripted {
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
