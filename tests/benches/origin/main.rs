//! What a write costs, on a real control plane with an etcd of its own and fsync on, over 100,000 keys: puts
//! per second beside one ConfigMap update per put, writes and bytes to the API server, etcd's file, a bulk put,
//! and the start of an origin.
//!
//! `cargo bench -p nearkv-tests --bench origin [-- --seconds N]`; about 20 minutes with the default of 60 s per
//! measurement. Figures: `docs/performance.md`.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends, and says where")]

mod bulk;
mod config_maps;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use nearkv_tests::bench::{ApiServer, Connection, Figures, closed_loops, cpu_time, etcd_bytes};
use nearkv_tests::nearkv::Server;
use nearkv_tests::{ControlPlane, Options, TestNamespace, error::HarnessError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use tokio::time::{Instant, sleep};

type Result<T, E = HarnessError> = std::result::Result<T, E>;

/// Bytes of a value: the median object of the original (contract §4.3, 2025-08-22).
const VALUE_BYTES: usize = 288;
/// Keys that are there before anything is measured.
const KEYS: u64 = 100_000;
/// The exponent that web caches are described with.
const ZIPF_EXPONENT: f64 = 1.0;
/// Clients that fill the KvNamespace.
const FILLERS: usize = 128;
/// How often the manifest is looked at for a new checkpoint: far more often than there is one.
const CHECKPOINT_POLL: Duration = Duration::from_millis(500);

/// How the benchmark runs.
#[derive(Parser)]
struct Arguments {
    /// Seconds per measurement.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many clients put at a time, in one measurement after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 128])]
    clients: Vec<usize>,
    /// Only with this pacing.
    #[arg(long)]
    pacing: Option<Pacing>,
    /// Given by `cargo bench`; nothing depends on it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the measured operator may send to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pacing {
    Off,
    Default,
}

impl Pacing {
    const ALL: [Self; 2] = [Self::Off, Self::Default];

    fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Default => "default",
        }
    }

    fn flags(self) -> Vec<&'static str> {
        match self {
            Self::Off => [&UNPACED[..], &ROOMY].concat(),
            Self::Default => ROOMY.to_vec(),
        }
    }
}

/// Which keys are written.
#[derive(Clone, Copy)]
enum Keys {
    Uniform,
    Zipf,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { seconds, clients, pacing: only, bench: _ } = Arguments::parse();
    let duration = Duration::from_secs(seconds);
    println!("{VALUE_BYTES}-byte values over {KEYS} keys, etcd with fsync, {seconds} s each");
    for pacing in Pacing::ALL.into_iter().filter(|pacing| only.is_none_or(|only| only == *pacing)) {
        // A control plane for each, so that neither finds the other's garbage in etcd.
        let run = Run::start(pacing).await?;
        for &clients in &clients {
            run.config_maps(clients, duration / 3).await?;
            for (name, keys) in [("uniform", Keys::Uniform), ("Zipf", Keys::Zipf)] {
                run.puts(name, keys, clients, duration).await?;
            }
        }
        run.bulk().await?;
        run.start_up().await?;
    }
    Ok(())
}

/// A control plane with one operator and one filled KvNamespace.
struct Run {
    pacing: Pacing,
    control_plane: ControlPlane,
    namespace: TestNamespace,
    operator: tokio::sync::Mutex<Server>,
    address: SocketAddr,
}

impl Run {
    async fn start(pacing: Pacing) -> Result<Self> {
        let control_plane = ControlPlane::start(Options { fsync: true }).await?;
        control_plane
            .kubectl()
            .run(&["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/../crds")])
            .await?;
        let namespace = control_plane.namespace().await?;
        // Filled without pacing, so that the measured operator starts with full buckets.
        let filler =
            Server::operator("filler", &control_plane, namespace.name(), &[&UNPACED[..], &ROOMY].concat())
                .await?;
        namespace.apply(MANIFEST).await?;
        let wait = ["wait", "--for=condition=Ready", "kvnamespace/bench", "--timeout=60s"];
        namespace.kubectl(&wait).await?;
        let start = Instant::now();
        fill(address_of(&filler), namespace.name()).await?;
        println!(
            "pacing {}: {KEYS} keys put by {FILLERS} clients in {:.1} s",
            pacing.as_str(),
            start.elapsed().as_secs_f64()
        );
        filler.stop().await?;
        let operator =
            Server::operator("measured", &control_plane, namespace.name(), &pacing.flags()).await?;
        let address = address_of(&operator);
        Ok(Self { pacing, control_plane, namespace, operator: tokio::sync::Mutex::new(operator), address })
    }

    /// Puts in closed loops.
    async fn puts(&self, name: &str, keys: Keys, clients: usize, duration: Duration) -> Result<()> {
        let (before, cpu) = (ApiServer::read(&self.control_plane).await?, self.cpu().await?);
        let account = self.namespace.name();
        let zipf = Zipf::new(KEYS as f64, ZIPF_EXPONENT).expect("a positive number of keys and exponent");
        let load = closed_loops(self.address, clients, duration, |client, number| {
            // The pair is the seed: every client draws its own sequence, the same in every run.
            let mut random = StdRng::seed_from_u64((client as u64) << 40 | number);
            let key = match keys {
                Keys::Uniform => random.random_range(0..KEYS),
                Keys::Zipf => zipf.sample(&mut random) as u64 % KEYS,
            };
            put(account, key, random.random_range(b'a'..=b'z'))
        });
        let (figures, checkpoints) = tokio::try_join!(load, self.count_checkpoints(duration))?;
        let cost = ApiServer::read(&self.control_plane).await?.since(before);
        let puts = figures.succeeded as f64;
        let cpu = self.cpu().await?.per(puts, cpu);
        println!(
            "pacing {}, {name}, {clients} clients: {}; {:.0} API writes and {:.0} KiB per 1000 puts ({:.1} bytes per byte of \
             user data), {:.0} µs CPU of the control plane and {:.0} µs of the operator per put, {} checkpoints, etcd {} MiB",
            self.pacing.as_str(),
            describe(&figures),
            cost.writes * 1000.0 / puts,
            cost.write_bytes / 1024.0 * 1000.0 / puts,
            cost.write_bytes / (puts * (VALUE_BYTES + key_name(0).len()) as f64),
            cpu.control_plane,
            cpu.operator,
            checkpoints,
            self.etcd_mib()?,
        );
        Ok(())
    }

    /// How many checkpoints the manifest has shown, the first not counted.
    async fn count_checkpoints(&self, duration: Duration) -> Result<usize> {
        let api: Api<ConfigMap> = Api::namespaced(self.control_plane.client().await?, self.namespace.name());
        let end = Instant::now() + duration;
        let mut seen = BTreeSet::new();
        while Instant::now() < end {
            seen.extend(checkpoint(&api).await);
            sleep(CHECKPOINT_POLL).await;
        }
        Ok(seen.len().saturating_sub(1))
    }

    /// From the start of an operator to its first answer.
    async fn start_up(&self) -> Result<()> {
        self.operator.lock().await.process.kill()?;
        let start = Instant::now();
        let operator =
            Server::operator("started", &self.control_plane, self.namespace.name(), &self.pacing.flags())
                .await?;
        let request =
            format!("GET /kv/{}/bench/{} HTTP/1.1\r\nHost: x\r\n\r\n", self.namespace.name(), key_name(7));
        let mut connection = Connection::open(address_of(&operator)).await?;
        while !matches!(connection.exchange(request.as_bytes()).await, Ok(200)) {
            sleep(Duration::from_millis(10)).await;
        }
        println!(
            "start of an operator with {KEYS} keys to its first answer: {:.2} s",
            start.elapsed().as_secs_f64()
        );
        Ok(())
    }

    async fn cpu(&self) -> Result<Cpu> {
        let mut control_plane = 0.0;
        for process in self.control_plane.process_ids() {
            control_plane += cpu_time(process)?.as_secs_f64();
        }
        Ok(Cpu { control_plane, operator: cpu_time(self.operator.lock().await.process.id())?.as_secs_f64() })
    }

    fn etcd_mib(&self) -> Result<u64> {
        let data = self.control_plane.etcd_data().expect("the benchmark has a control plane of its own");
        Ok(etcd_bytes(data)? / (1024 * 1024))
    }
}

/// Seconds of processor time.
#[derive(Clone, Copy)]
struct Cpu {
    control_plane: f64,
    operator: f64,
}

impl Cpu {
    /// µs per operation since `before`.
    fn per(self, operations: f64, before: Self) -> Self {
        let per = |now: f64, before: f64| (now - before) * 1e6 / operations;
        Self {
            control_plane: per(self.control_plane, before.control_plane),
            operator: per(self.operator, before.operator),
        }
    }
}

/// No pacing at all.
const UNPACED: [&str; 2] = ["--pace-bytes-per-second=0", "--pace-writes-per-second=0"];

/// Room for the garbage of a minute at full speed, and a grace short enough that its collection is measured too.
const ROOMY: [&str; 3] = ["--budget-bytes=8Gi", "--budget-objects=2000000", "--garbage-grace=20"];

/// The KvNamespace, with room for all keys.
const MANIFEST: &str = "\
apiVersion: nearkv.dev/v1alpha1
kind: KvNamespace
metadata: {name: bench}
spec:
  quota: {maxKeys: 1000000, maxBytes: 1Gi}
";

/// Puts every key once.
async fn fill(address: SocketAddr, account: &str) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let fillers = (0..FILLERS).map(|_| {
        let next = Arc::clone(&next);
        async move {
            let mut connection = Connection::open(address).await?;
            loop {
                let key = next.fetch_add(1, Ordering::Relaxed);
                if key >= KEYS {
                    return Ok(());
                }
                let exchanged = connection.exchange(&put(account, key, b'0')).await;
                assert!(matches!(exchanged, Ok(200..300)), "putting key {key}: {exchanged:?}");
            }
        }
    });
    try_join_all(fillers).await.map(|_: Vec<()>| ())
}

/// The version of the last checkpoint, if there is one and nothing changes while it is looked at.
async fn checkpoint(api: &Api<ConfigMap>) -> Option<u64> {
    let field = |map: ConfigMap, field: &str| map.data?.remove(field);
    let root: serde_json::Value =
        serde_json::from_str(&field(api.get("bench.kv").await.ok()?, "root")?).ok()?;
    let manifest = api.get(root["manifest"]["manifest"].as_str()?).await.ok()?;
    let header: serde_json::Value =
        serde_json::from_str(field(manifest, "references")?.lines().next()?).ok()?;
    header["checkpoint"].as_u64()
}

fn key_name(number: u64) -> String {
    format!("user/{number:06}")
}

fn put(account: &str, key: u64, fill: u8) -> Vec<u8> {
    let head = format!(
        "PUT /kv/{account}/bench/{} HTTP/1.1\r\nHost: x\r\nContent-Length: {VALUE_BYTES}\r\n\r\n",
        key_name(key)
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + VALUE_BYTES, fill);
    request
}

fn describe(figures: &Figures) -> String {
    format!(
        "{:.0} puts/s, p50 {:?}, p99 {:?}, {} failed",
        figures.rate(),
        figures.quantile(0.5),
        figures.quantile(0.99),
        figures.failed
    )
}

fn address_of(server: &Server) -> SocketAddr {
    let address = server.url().strip_prefix("http://").unwrap_or_default();
    address.parse().expect("the harness gives its servers loopback addresses")
}
