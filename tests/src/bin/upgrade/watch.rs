//! Looks all the time at what operators and the KvNamespace say of themselves: damage that is there for a moment counts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use nearkv_tests::metrics::Metrics;
use nearkv_tests::{HarnessError, Result};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::service::Service;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);
/// Counters that stay at zero in an operator without faults. The earlier version may lack them.
const FAULTS: [&str; 2] = ["nearkv_origin_state_differences_total", "nearkv_origin_task_failures_total"];

/// A look that goes on until it is ended.
pub(crate) struct Watch {
    stop: CancellationToken,
    running: JoinHandle<Seen>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// How often an operator said that all is well.
    pub(crate) ready: u64,
    /// Everything that must not be.
    pub(crate) faults: BTreeSet<String>,
}

impl Watch {
    /// Of the KvNamespace `name`, which has to be Ready already.
    pub(crate) async fn start(fleet: &Fleet, name: &'static str) -> Result<Watch> {
        let stop = CancellationToken::new();
        let kind = GroupVersionKind::gvk("nearkv.dev", "v1alpha1", "KvNamespace");
        let resource = ApiResource::from_gvk_with_plural(&kind, "kvnamespaces");
        let client: Client = fleet.control_plane.client().await?;
        let looks = Looks {
            name,
            operators: Arc::clone(&fleet.operators),
            objects: Api::namespaced_with(client, fleet.namespace.name(), &resource),
            seen: Mutex::default(),
        };
        let until = stop.clone();
        Ok(Watch { stop, running: tokio::spawn(looks.run(until)) })
    }

    /// Ends it.
    pub(crate) async fn end(self) -> Result<Seen> {
        self.stop.cancel();
        self.running.await.map_err(|error| HarnessError::Unexpected(format!("the watch: {error}")))
    }
}

struct Looks {
    name: &'static str,
    operators: Arc<Service>,
    objects: Api<DynamicObject>,
    seen: Mutex<Seen>,
}

impl Looks {
    async fn run(self, stop: CancellationToken) -> Seen {
        while !stop.is_cancelled() {
            for member in self.operators.members().await {
                // A server that has just ended is still a member for a moment.
                if let Ok(metrics) = Metrics::fetch(&format!("{}/metrics", member.admin)).await {
                    self.judge(&member.name, &metrics).await;
                }
            }
            if let Ok(object) = self.objects.get(self.name).await {
                self.judge_status(&object).await;
            }
            tokio::time::sleep(EVERY).await;
        }
        self.seen.into_inner()
    }

    async fn judge(&self, operator: &str, metrics: &Metrics) {
        let mut seen = self.seen.lock().await;
        let label = format!("kvnamespace=\"{}\"", self.name);
        for (labels, value) in metrics.samples("nearkv_kvnamespace_health") {
            match value > 0.0 && labels.contains(&label) {
                true if labels.contains("reason=\"Ready\"") => seen.ready += 1,
                true => drop(seen.faults.insert(format!("{operator}: health {labels}"))),
                false => {}
            }
        }
        for counter in FAULTS {
            if metrics.samples(counter).any(|(_, value)| value > 0.0) {
                seen.faults.insert(format!("{operator}: {counter} is not zero"));
            }
        }
    }

    async fn judge_status(&self, object: &DynamicObject) {
        let conditions = object.data["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
        if ready.is_none_or(|ready| ready["status"] != "True") {
            self.seen.lock().await.faults.insert(format!("the condition Ready: {ready:?}"));
        }
    }
}
