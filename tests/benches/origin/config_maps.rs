//! What a put is compared with: one update of a 1 KiB ConfigMap, by as many clients, each with one of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::time::Instant;

use crate::Result;
use crate::run::Run;

/// Bytes of the ConfigMap's value.
const CONFIG_MAP_BYTES: usize = 1024;

impl Run {
    /// What a put is compared with: each client updates a ConfigMap of its own. Answers how many
    /// updates there were per second.
    pub(crate) async fn config_maps(&self, clients: usize, duration: Duration) -> Result<f64> {
        let done = AtomicU64::new(0);
        let (start, cpu) = (Instant::now(), self.cpu().await?);
        let loops = (0..clients).map(|client| self.update_config_map(client, start + duration, &done));
        try_join_all(loops).await?;
        let updates = done.into_inner() as f64;
        let rate = updates / start.elapsed().as_secs_f64();
        println!(
            "1 KiB ConfigMap updates, {clients} clients: {rate:.0}/s, {:.0} µs CPU of the control plane per update, etcd {} MiB",
            self.cpu().await?.per(updates, cpu).control_plane,
            self.etcd_mib()?
        );
        Ok(rate)
    }

    async fn update_config_map(&self, client: usize, end: Instant, done: &AtomicU64) -> Result<()> {
        let api: Api<ConfigMap> = Api::namespaced(self.control_plane.client().await?, self.namespace.name());
        let name = format!("compared-{client}");
        let map = ConfigMap {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            ..ConfigMap::default()
        };
        let mut map = api.create(&PostParams::default(), &map).await.expect("the API server answers");
        for number in 0u64.. {
            if Instant::now() >= end {
                break;
            }
            let value = format!("{number:0CONFIG_MAP_BYTES$}");
            map.data = Some([("value".to_owned(), value)].into());
            map = api.replace(&name, &PostParams::default(), &map).await.expect("nobody else writes it");
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
