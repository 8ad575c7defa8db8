//! What the load costs the control plane: the API server's own counters of ConfigMap writes, and the size of
//! etcd's file.

use std::path::Path;

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

/// The size of etcd's database file in bytes.
pub fn etcd_bytes(etcd_data: &Path) -> Result<u64> {
    let file = etcd_data.join("member/snap/db");
    Ok(std::fs::metadata(&file).map_err(HarnessError::io("read", &file))?.len())
}
