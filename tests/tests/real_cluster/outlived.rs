//! Edges that keep what they hold on one claim, where nobody is asked who they are: new pods of a region serve it, though
//! the origin is gone, and the pods that fetched it too.

use nearkv_tests::cluster::chart;
use nearkv_tests::eventually;
use nearkv_tests::kv::{Answer, Kv};

use crate::release::{Release, SYSTEM, TEAM};

/// A folder of the node as a volume that all pods share, and the claim on it.
fn claim(folder: &str) -> String {
    format!(
        "apiVersion: v1
kind: PersistentVolume
metadata: {{name: snapshots}}
spec:
  capacity: {{storage: 2Gi}}
  accessModes: [ReadWriteMany]
  storageClassName: \"\"
  local: {{path: {folder}}}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [node]}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: snapshots}}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: \"\"
  volumeName: snapshots
  resources: {{requests: {{storage: 2Gi}}}}
"
    )
}

async fn scale(release: &Release<'_>, deployment: &str, replicas: usize) {
    let kubectl = release.cluster.kubectl();
    let (deployment, replicas) = (format!("deployment/{deployment}"), format!("--replicas={replicas}"));
    kubectl.run(&["scale", "-n", SYSTEM, &deployment, &replicas]).await.unwrap();
    let status = ["rollout", "status", "-n", SYSTEM, &deployment, "--timeout=60s"];
    if let Err(error) = kubectl.run(&status).await {
        panic!("{error:?}\n{}", release.state().await);
    }
}

/// The pods of a component, as many as there should be.
async fn pods(release: &Release<'_>, selector: &str, count: usize) -> Vec<String> {
    let path = "jsonpath={.items[*].status.podIP}";
    eventually(&format!("{count} pods of {selector}"), async || {
        let get = ["get", "pods", "-n", SYSTEM, "-l", selector, "-o", path];
        let found = release.cluster.kubectl().run(&get).await.map_err(|error| error.to_string())?;
        let found: Vec<String> = found.split_whitespace().map(str::to_owned).collect();
        if found.len() == count { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
    .unwrap()
}

/// That the first answer which comes from there has the value.
async fn is_read_at(kv: &Kv) {
    let read = eventually("an answer about the value", async || {
        kv.get("outlives").await.and_then(Answer::value).map_err(|error| error.to_string())
    });
    assert_eq!(read.await.unwrap().as_deref(), Some("its origin"));
}

pub(crate) async fn a_region_outlives_its_origin_and_its_own_pods(release: &Release<'_>) {
    const OPERATORS: &str = "app.kubernetes.io/component=operator";
    const LONDON: &str = "nearkv.dev/region=london,app.kubernetes.io/component=edge-cache";
    let folder = release.cluster.shared_folder("snapshots").unwrap();
    release.cluster.kubectl().apply(SYSTEM, &claim(&folder)).await.unwrap();
    let open = chart().join("ci/open-values.yaml").display().to_string();
    let kept = "--set=edge.snapshots.enabled=true,edge.snapshots.persistentVolumeClaim.enabled=true";
    let shared = "--set=edge.snapshots.persistentVolumeClaim.existingClaim=snapshots";
    release.helm("upgrade", &["--values", &open, kept, shared]).await;
    let london = Kv::new(format!("{}/kv/{TEAM}/settings", release.url("nearkv-edge-london").await));
    let addresses = pods(release, LONDON, 2).await;
    // A connection may still lead to a pod of before, which asks for a token.
    let written = eventually("a write without a token", async || {
        let put = london.put("outlives", "its origin").await.and_then(Answer::ok);
        put.map_err(|error| error.to_string())
    });
    written.await.unwrap();
    // Whichever of them ends last saves it.
    for address in addresses {
        is_read_at(&Kv::new(format!("http://{address}:8701/kv/{TEAM}/settings"))).await;
    }
    for (deployment, of) in [("nearkv-operator", OPERATORS), ("nearkv-edge-london", LONDON)] {
        scale(release, deployment, 0).await;
        pods(release, of, 0).await;
    }
    scale(release, "nearkv-edge-london", 2).await;
    is_read_at(&london).await;
    assert_eq!(london.put("outlives", "nobody").await.unwrap().status, 503);
    scale(release, "nearkv-operator", 2).await;
}
