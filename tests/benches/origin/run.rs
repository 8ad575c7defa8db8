//! What everything is measured on: a control plane of its own, filled with keys, and an operator.

use std::net::SocketAddr;

use clap::ValueEnum;
use nearkv_tests::bench::{cpu_time, etcd_bytes};
use nearkv_tests::nearkv::{Server, UNPACED};
use nearkv_tests::{ControlPlane, Options, TestNamespace};
use tokio::time::Instant;

use crate::Result;
use crate::filling::{FILLERS, fill, lengthen_the_log};

/// Bytes of a value: the median object of the original (contract §4.3, 2025-08-22).
pub(crate) const VALUE_BYTES: usize = 288;
/// Keys that are there before anything is measured.
pub(crate) const KEYS: u64 = 100_000;
/// Room for the garbage of a grace at full speed.
const ROOMY: [&str; 2] = ["--budget-bytes=8Gi", "--budget-objects=2000000"];
/// A grace that ends within the measurement, so that collection is measured too. Only without pacing: the pages of a
/// checkpoint are written within half of the grace or not at all, and the default pace needs longer than 10 s for them.
const SHORT_GRACE: [&str; 1] = ["--garbage-grace=20"];

/// The KvNamespace, with room for all keys.
const MANIFEST: &str = "\
apiVersion: nearkv.dev/v1alpha1
kind: KvNamespace
metadata: {name: bench}
spec:
  quota: {maxKeys: 1000000, maxBytes: 1Gi}
";

/// What the measured operator may send to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pacing {
    Off,
    Default,
}

impl Pacing {
    pub(crate) const ALL: [Self; 2] = [Self::Off, Self::Default];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Default => "default",
        }
    }

    pub(crate) fn flags(self) -> Vec<&'static str> {
        match self {
            Self::Off => [&UNPACED[..], &ROOMY, &SHORT_GRACE].concat(),
            Self::Default => ROOMY.to_vec(),
        }
    }
}

/// A control plane with one operator and one filled KvNamespace.
pub(crate) struct Run {
    pub(crate) pacing: Pacing,
    pub(crate) control_plane: ControlPlane,
    pub(crate) namespace: TestNamespace,
    pub(crate) operator: tokio::sync::Mutex<Server>,
    pub(crate) address: SocketAddr,
}

impl Run {
    /// A new control plane, filled; then the operator that is measured, with full buckets.
    pub(crate) async fn start(pacing: Pacing) -> Result<Self> {
        let control_plane = ControlPlane::start(Options { fsync: true }).await?;
        control_plane
            .kubectl()
            .run(&["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/../crds")])
            .await?;
        let namespace = control_plane.namespace().await?;
        // Filled without pacing, so that the measured operator starts with full buckets.
        let filler =
            Server::operator("filler", &control_plane, namespace.name(), &Pacing::Off.flags()).await?;
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
        lengthen_the_log(&filler, namespace.name()).await?;
        filler.stop().await?;
        let operator =
            Server::operator("measured", &control_plane, namespace.name(), &pacing.flags()).await?;
        let address = address_of(&operator);
        Ok(Self { pacing, control_plane, namespace, operator: tokio::sync::Mutex::new(operator), address })
    }

    /// What has been used so far.
    pub(crate) async fn cpu(&self) -> Result<Cpu> {
        let mut control_plane = 0.0;
        for process in self.control_plane.process_ids() {
            control_plane += cpu_time(process)?.as_secs_f64();
        }
        Ok(Cpu { control_plane, operator: cpu_time(self.operator.lock().await.process.id())?.as_secs_f64() })
    }

    /// The size of etcd's file.
    pub(crate) fn etcd_mib(&self) -> Result<u64> {
        let data = self.control_plane.etcd_data().expect("the benchmark has a control plane of its own");
        Ok(etcd_bytes(data)? / (1024 * 1024))
    }
}

/// Seconds of processor time.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) control_plane: f64,
    pub(crate) operator: f64,
}

impl Cpu {
    /// µs per operation since `before`.
    pub(crate) fn per(self, operations: f64, before: Self) -> Self {
        let per = |now: f64, before: f64| (now - before) * 1e6 / operations;
        Self {
            control_plane: per(self.control_plane, before.control_plane),
            operator: per(self.operator, before.operator),
        }
    }
}

/// The key of this number.
pub(crate) fn key_name(number: u64) -> String {
    format!("user/{number:06}")
}

/// The request that puts it.
pub(crate) fn put(account: &str, key: u64, fill: u8) -> Vec<u8> {
    let head = format!(
        "PUT /kv/{account}/bench/{} HTTP/1.1\r\nHost: x\r\nContent-Length: {VALUE_BYTES}\r\n\r\n",
        key_name(key)
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + VALUE_BYTES, fill);
    request
}

/// Where a server of the harness listens.
pub(crate) fn address_of(server: &Server) -> SocketAddr {
    let address = server.url().strip_prefix("http://").unwrap_or_default();
    address.parse().expect("the harness gives its servers loopback addresses")
}
