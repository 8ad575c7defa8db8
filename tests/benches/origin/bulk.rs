//! A bulk put, by an origin in this process beside the operator.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use nearkv::{Kv, Mutation, Random, SystemClock};
use nearkv_operator::configmap_store::Cluster;
use nearkv_origin::{
    CacheConfig, Catalog, DEFAULT_MIN_TTL, DeletionPolicy, Health, NamespaceConfig, Origin, Quota, Settings,
};
use nearkv_tests::ControlPlane;
use nearkv_tests::bench::ApiServer;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::Result;
use crate::run::{Run, VALUE_BYTES};

/// Pairs of the bulk put.
const BULK_PAIRS: usize = 10_000;

impl Run {
    /// 10,000 pairs in one call, by an origin in this process beside the operator.
    pub(crate) async fn bulk(&self) -> Result<()> {
        let uid = self
            .namespace
            .kubectl(&["get", "kvnamespace", "bench", "-o", "jsonpath={.metadata.uid}"])
            .await?;
        let config = NamespaceConfig {
            namespace: nearkv::Namespace::new(self.namespace.name(), "bench")
                .expect("the harness makes DNS labels"),
            uid,
            cache: CacheConfig::default(),
            min_ttl: DEFAULT_MIN_TTL,
            quota: Quota { max_keys: 1_000_000, max_bytes: 1 << 30 },
            deletion_policy: DeletionPolicy::Delete,
        };
        let namespace = config.namespace.clone();
        let (origin, shutdown) = in_process(&self.control_plane, config).await;
        let running = tokio::spawn(Arc::clone(&origin).run(shutdown.clone()));
        while !origin.report(&namespace).is_some_and(|report| report.health == Health::Ready) {
            sleep(Duration::from_millis(20)).await;
        }
        let before = ApiServer::read(&self.control_plane).await?;
        let start = Instant::now();
        let pairs = futures::stream::iter(0..BULK_PAIRS).map(|number| {
            let key = nearkv::Key::new(&format!("bulk/{number}"))?;
            let value = nearkv::Value::Bytes(vec![b'b'; VALUE_BYTES].into());
            Ok(Mutation::Put { key, value, options: nearkv::PutOptions::default() })
        });
        origin.write_many(&namespace, pairs.boxed()).await.expect("a bulk within its quota succeeds");
        let elapsed = start.elapsed();
        let cost = ApiServer::read(&self.control_plane).await?.since(before);
        println!(
            "bulk put of {BULK_PAIRS} pairs: {:.2} s, {:.0} API writes",
            elapsed.as_secs_f64(),
            cost.writes
        );
        shutdown.cancel();
        running.await.expect("the origin ends without a panic");
        Ok(())
    }
}

/// An origin in this process on the control plane's ConfigMaps, without pacing.
async fn in_process(
    control_plane: &ControlPlane,
    config: NamespaceConfig,
) -> (Arc<Origin>, CancellationToken) {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(Random::from_os()));
    let kubeconfig =
        Kubeconfig::read_from(control_plane.kubeconfig()).expect("the harness wrote the kubeconfig");
    let options = KubeConfigOptions::default();
    let cluster =
        kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("it has one context");
    let account = config.namespace.account().to_owned();
    let store = Cluster::connect(cluster, vec![account], "default", clock.clone(), random.clone())
        .expect("a usable cluster");
    let settings =
        Settings { pacing: None, budget_bytes: 8 << 30, budget_objects: 2_000_000, ..Settings::default() };
    let origin = Origin::new(Arc::new(store), Arc::new(NothingElse), clock, random, settings);
    origin.configure(config);
    (origin, CancellationToken::new())
}

/// There is no other KvNamespace than the configured one.
struct NothingElse;

#[async_trait::async_trait]
impl Catalog for NothingElse {
    async fn look(&self, _: &nearkv::Namespace) -> Result<Option<NamespaceConfig>, nearkv::Error> {
        Ok(None)
    }
}
