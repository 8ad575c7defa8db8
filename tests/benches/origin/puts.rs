//! Puts in closed loops, and what they cost.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::ValueEnum;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use nearkv_tests::bench::{ApiServer, Figures, closed_loops};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use tokio::time::{Instant, sleep};

use crate::Result;
use crate::run::{KEYS, Run, VALUE_BYTES, key_name, put};

/// The exponent that web caches are described with.
const ZIPF_EXPONENT: f64 = 1.0;
/// How often the manifest is looked at for a new checkpoint: far more often than there is one.
const CHECKPOINT_POLL: Duration = Duration::from_millis(500);

/// For how long keys are put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Length {
    /// At least so long,
    pub(crate) least: Duration,
    /// and until there were so many checkpoints,
    pub(crate) checkpoints: usize,
    /// but no longer.
    pub(crate) most: Duration,
}

/// Which keys are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Keys {
    Uniform,
    Zipf,
}

impl Keys {
    pub(crate) const ALL: [Self; 2] = [Self::Uniform, Self::Zipf];

    fn as_str(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "Zipf",
        }
    }
}

impl Run {
    /// Puts in closed loops; answers how many succeeded per second.
    pub(crate) async fn puts(&self, keys: Keys, clients: usize, length: Length) -> Result<f64> {
        let (before, cpu) = (ApiServer::read(&self.control_plane).await?, self.cpu().await?);
        let account = self.namespace.name();
        let zipf = Zipf::new(KEYS as f64, ZIPF_EXPONENT).expect("a positive number of keys and exponent");
        let api = Api::namespaced(self.control_plane.client().await?, account);
        let mut checkpoints = 0;
        let end = async { checkpoints = until_enough(&api, length).await };
        let load = closed_loops(self.address, clients, end, |client, number| {
            // The pair is the seed: every client draws its own sequence, the same in every run.
            let mut random = StdRng::seed_from_u64((client as u64) << 40 | number);
            let key = match keys {
                Keys::Uniform => random.random_range(0..KEYS),
                Keys::Zipf => zipf.sample(&mut random) as u64 % KEYS,
            };
            put(account, key, random.random_range(b'a'..=b'z'))
        });
        let figures = load.await?;
        let cost = ApiServer::read(&self.control_plane).await?.since(before);
        let puts = figures.succeeded as f64;
        let cpu = self.cpu().await?.per(puts, cpu);
        println!(
            "pacing {}, {} keys, {clients} clients, {:.0} s: {}; {:.0} API writes and {:.0} KiB per 1000 puts ({:.1} bytes per byte of \
             user data), {:.0} µs CPU of the control plane and {:.0} µs of the operator per put, {} checkpoints, etcd {} MiB",
            self.pacing.as_str(),
            keys.as_str(),
            figures.elapsed.as_secs_f64(),
            describe(&figures),
            cost.writes * 1000.0 / puts,
            cost.write_bytes / 1024.0 * 1000.0 / puts,
            cost.write_bytes / (puts * (VALUE_BYTES + key_name(0).len()) as f64),
            cpu.control_plane,
            cpu.operator,
            checkpoints,
            self.etcd_mib()?,
        );
        Ok(figures.rate())
    }
}

/// Waits as long as keys are put, and answers how many checkpoints the manifest has shown by then, the first not
/// counted.
async fn until_enough(api: &Api<ConfigMap>, length: Length) -> usize {
    let start = Instant::now();
    let mut seen = BTreeSet::new();
    loop {
        seen.extend(checkpoint(api).await);
        let (elapsed, checkpoints) = (start.elapsed(), seen.len().saturating_sub(1));
        let enough = elapsed >= length.least && checkpoints >= length.checkpoints;
        if enough || elapsed >= length.most {
            return checkpoints;
        }
        sleep(CHECKPOINT_POLL).await;
    }
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

fn describe(figures: &Figures) -> String {
    format!(
        "{:.0} puts/s, p50 {:?}, p99 {:?}, {} failed",
        figures.rate(),
        figures.quantile(0.5),
        figures.quantile(0.99),
        figures.failed
    )
}
