//! What the load costs the control plane: the API server's own counters of requests and of ConfigMap writes, and the size
//! of etcd's file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::control_plane::ControlPlane;
use crate::error::{HarnessError, Result};
use crate::metrics::Metrics;

/// The verbs of `apiserver_request_total` that reach etcd with a write.
const WRITES: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];

/// The API server's counters at one moment; the difference of two is what happened between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApiServer {
    /// Requests that write ConfigMaps.
    pub writes: f64,
    /// Bytes of the bodies of such requests.
    pub write_bytes: f64,
}

impl ApiServer {
    /// Reads the counters.
    pub async fn read(control_plane: &ControlPlane) -> Result<ApiServer> {
        let metrics = Metrics::new(control_plane.kubectl().run(&["get", "--raw", "/metrics"]).await?);
        let sum = |metric: &str, writes: &dyn Fn(&str) -> bool| {
            let samples = metrics.samples(metric);
            let of_writes =
                samples.filter(|(labels, _)| labels.contains("resource=\"configmaps\"") && writes(labels));
            of_writes.map(|(_, value)| value).sum()
        };
        let is_write = |labels: &str| WRITES.iter().any(|verb| labels.contains(&format!("verb=\"{verb}\"")));
        Ok(ApiServer {
            writes: sum("apiserver_request_total", &is_write),
            // Only requests with a body that is stored are counted there, under verbs of its own.
            write_bytes: sum("apiserver_request_body_size_bytes_sum", &|_| true),
        })
    }

    /// What has happened since `earlier`.
    pub fn since(self, earlier: ApiServer) -> ApiServer {
        ApiServer {
            writes: self.writes - earlier.writes,
            write_bytes: self.write_bytes - earlier.write_bytes,
        }
    }
}

/// How many requests there were of each verb and resource; of two moments, the difference.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Requests(BTreeMap<String, f64>);

impl Requests {
    /// Reads the counters.
    pub async fn read(control_plane: &ControlPlane) -> Result<Requests> {
        let metrics = Metrics::new(control_plane.kubectl().run(&["get", "--raw", "/metrics"]).await?);
        let mut requests = Requests::default();
        for (labels, value) in metrics.samples("apiserver_request_total") {
            let label = |name: &str| labels.split_once(&format!("{name}=\""))?.1.split('"').next();
            // A request without a resource asks for the state of the server itself.
            if let (Some(verb), Some(resource)) =
                (label("verb"), label("resource").filter(|resource| !resource.is_empty()))
            {
                *requests.0.entry(format!("{verb} {resource}")).or_default() += value;
            }
        }
        Ok(requests)
    }

    /// What has happened since `earlier`, or what is more than it.
    pub fn since(mut self, earlier: &Requests) -> Requests {
        for (series, value) in &mut self.0 {
            *value -= earlier.0.get(series).copied().unwrap_or_default();
        }
        self
    }

    /// Per second of a time.
    pub fn per(mut self, time: Duration) -> Requests {
        self.0.values_mut().for_each(|value| *value /= time.as_secs_f64());
        self
    }

    /// All of them.
    pub fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// By verb and resource.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(series, value)| (series.as_str(), *value))
    }
}

/// The size of etcd's database file in bytes.
pub fn etcd_bytes(etcd_data: &Path) -> Result<u64> {
    let file = etcd_data.join("member/snap/db");
    Ok(std::fs::metadata(&file).map_err(HarnessError::io("read", &file))?.len())
}
