//! A release for some Kubernetes namespaces only: without a ClusterRole for data, and blind to all others.

use nearkv_tests::cluster::chart;
use nearkv_tests::scenario::kv_namespace;

use crate::release::{Release, SYSTEM, TEAM};

/// A Kubernetes namespace that is not among those of `charts/nearkv/ci/some-namespaces-values.yaml`.
const ANOTHER: &str = "team-c";

pub(crate) async fn some_kubernetes_namespaces_are_served_and_the_others_are_out_of_reach(
    release: &Release<'_>,
) {
    let kubectl = release.cluster.kubectl();
    for namespace in ["team-b", ANOTHER] {
        kubectl.run(&["create", "namespace", namespace]).await.unwrap();
    }
    let values = chart().join("ci/some-namespaces-values.yaml").display().to_string();
    release.helm("upgrade", &["--values", &values]).await;
    kubectl.apply("team-b", &kv_namespace("scoped", "{entries: [{key: a, value: b}]}")).await.unwrap();
    kubectl.apply(ANOTHER, &kv_namespace("scoped", "{entries: [{key: a, value: b}]}")).await.unwrap();
    for namespace in ["team-b", TEAM] {
        let ready = ["wait", "-n", namespace, "--for=condition=Ready", "kvns", "--all", "--timeout=60s"];
        kubectl.run(&ready).await.unwrap();
    }
    let status = ["get", "kvns", "-n", ANOTHER, "scoped", "-o", "jsonpath={.status}"];
    assert_eq!(kubectl.run(&status).await.unwrap(), "");
    let operator = format!("--as=system:serviceaccount:{SYSTEM}:nearkv-operator");
    for (namespace, can) in [(TEAM, true), (ANOTHER, false), (SYSTEM, false)] {
        for what in ["configmaps", "secrets", "kvnamespaces.nearkv.dev"] {
            let question = ["auth", "can-i", "get", what, "-n", namespace, &operator];
            // It prints the answer, and fails where that is no.
            assert_eq!(kubectl.run(&question).await.is_ok(), can, "get {what} in {namespace}");
        }
    }
    release.test().await;
}
