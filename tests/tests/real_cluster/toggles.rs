//! Every toggle of the chart on once: the values of `charts/nearkv/ci/everything-values.yaml` on the cluster.

use nearkv_tests::cluster::chart;
use nearkv_tests::eventually;

use crate::release::{Release, SYSTEM, flow_to_the_api_server};

/// What the values name that this cluster does not have, besides kinds of Prometheus' operator.
const PRIORITY_CLASS: &str = "
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: high}
value: 1000
";

/// A CustomResourceDefinition of Prometheus' operator, for objects that nobody looks at.
fn definition(plural: &str, kind: &str) -> String {
    format!(
        "
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.monitoring.coreos.com}}
spec:
  group: monitoring.coreos.com
  names: {{kind: {kind}, plural: {plural}}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"
    )
}

pub(crate) async fn every_toggle_is_on_once(release: &Release<'_>) {
    let kubectl = release.cluster.kubectl();
    let kinds = [("servicemonitors", "ServiceMonitor"), ("prometheusrules", "PrometheusRule")];
    let kinds = kinds.map(|(plural, kind)| definition(plural, kind)).concat();
    kubectl.apply("default", &format!("{PRIORITY_CLASS}{kinds}")).await.unwrap();
    let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"];
    kubectl.run(&established).await.unwrap();
    let everything = chart().join("ci/everything-values.yaml").display().to_string();
    // The images are on the node and nowhere else, and nobody can tell their digests before they are made.
    let local = ["--set=image.pullPolicy=Never", "--set=operator.image.digest="];
    let flow = flow_to_the_api_server();
    release.helm("upgrade", &[&["--values", &everything, &flow][..], &local].concat()).await;
    let autoscaled = "jsonpath={.items[0].status.desiredReplicas}";
    eventually("as many edges as the autoscaler wants at least", async || {
        let get = ["get", "hpa", "-n", SYSTEM, "-o", autoscaled];
        match kubectl.run(&get).await.map_err(|error| error.to_string())?.as_str() {
            "2" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await
    .unwrap();
    release.test().await;
    let kinds = "networkpolicy,pdb,hpa,servicemonitor,configmap";
    let objects = kubectl.run(&["get", kinds, "-n", SYSTEM, "-o", "name"]).await.unwrap();
    for name in [
        "networkpolicy.networking.k8s.io/kv-operator",
        "servicemonitor.monitoring.coreos.com/kv",
        "configmap/nearkv-extra",
    ] {
        assert!(objects.lines().any(|line| line == name), "no {name} in {objects}");
    }
}
