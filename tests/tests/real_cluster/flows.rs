//! The chart's NetworkPolicies on a network that enforces them: who reaches whom, as a table of connections that are
//! opened in the pods' own networks.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nearkv_tests::cluster::API_SERVER;
use nearkv_tests::eventually;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::release::{Release, SYSTEM, TEAM, flow_to_the_api_server};

/// Clients are those of the team, and whoever fetches metrics is in a namespace of its own.
const POLICY: &str = r#"--set-json=networkPolicy={
    "enabled": true,
    "clients": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team-a"}}}],
    "monitoring": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
}"#;

/// The ports that the chart gives to data and to the admin routes, of an operator and of an edge.
const OPERATOR: (u16, u16) = (8700, 9700);
const EDGE: (u16, u16) = (8701, 9701);
const DNS: u16 = 53;
/// A refused connection is answered at once, or never.
const PATIENCE: Duration = Duration::from_secs(2);

/// A pod that does nothing, and so can open connections to anywhere.
const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: idle}
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: idle
    image: localhost/pause:1
    imagePullPolicy: Never
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
";

struct Pod {
    name: &'static str,
    uid: String,
    address: IpAddr,
}

impl Pod {
    /// The pod of this number among those that match.
    async fn find(
        release: &Release<'_>,
        name: &'static str,
        namespace: &str,
        number: usize,
        selector: &str,
    ) -> Pod {
        let path = format!("jsonpath={{.items[{number}].metadata.uid}} {{.items[{number}].status.podIP}}");
        let running = "--field-selector=status.phase=Running";
        let get = ["get", "pods", "-n", namespace, running, "-l", selector, "-o", &path];
        let found = release.cluster.kubectl().run(&get).await.unwrap();
        let (uid, address) = found.split_once(' ').unwrap();
        Pod { name, uid: uid.to_owned(), address: address.parse().unwrap() }
    }

    /// An idle one in this Kubernetes namespace.
    async fn idle(release: &Release<'_>, name: &'static str, namespace: &str) -> Pod {
        let kubectl = release.cluster.kubectl();
        kubectl.apply(namespace, POD).await.unwrap();
        let ready = ["wait", "-n", namespace, "--for=condition=Ready", "pod/idle", "--timeout=60s"];
        kubectl.run(&ready).await.unwrap();
        Pod::find(release, name, namespace, 0, "").await
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// Whether a connection from this pod to there is opened.
    fn reaches(&self, release: &Release<'_>, there: SocketAddr) -> bool {
        let connect = async || matches!(timeout(PATIENCE, TcpStream::connect(there)).await, Ok(Ok(_)));
        tokio::task::block_in_place(|| release.cluster.enter_pod(&self.uid, connect)).unwrap()
    }

    /// That it does, or does not: the network needs a moment to hear of policies, and of pods.
    async fn comes_to_reach(&self, release: &Release<'_>, there: SocketAddr, name: &str, passes: bool) {
        let what = if passes { "a connection" } else { "no connection" };
        let awaited = format!("{what} from {} to {name} at {there}", self.name);
        let seen = eventually(&awaited, async || match self.reaches(release, there) == passes {
            true => Ok(()),
            false => Err("the contrary".to_owned()),
        });
        seen.await.unwrap();
    }
}

pub(crate) async fn only_the_named_flows_pass(release: &Release<'_>) {
    let kubectl = release.cluster.kubectl();
    for namespace in ["monitoring", "strangers"] {
        kubectl.run(&["create", "namespace", namespace]).await.unwrap();
    }
    release.helm("upgrade", &[POLICY, &flow_to_the_api_server()]).await;
    let client = &Pod::idle(release, "a client", TEAM).await;
    let monitoring = &Pod::idle(release, "monitoring", "monitoring").await;
    let stranger = &Pod::idle(release, "a stranger", "strangers").await;
    let component = |name: &str| format!("app.kubernetes.io/component={name}");
    let operator = &Pod::find(release, "an operator", SYSTEM, 0, &component("operator")).await;
    let edge = &Pod::find(release, "an edge", SYSTEM, 0, &component("edge-cache")).await;
    let other_edge = &Pod::find(release, "another edge", SYSTEM, 1, &component("edge-cache")).await;
    let dns = &Pod::find(release, "DNS", "kube-system", 0, "k8s-app=kube-dns").await;
    for (from, to, there, passes) in [
        (client, edge, edge.at(EDGE.0), true),
        (client, edge, edge.at(EDGE.1), false),
        (client, operator, operator.at(OPERATOR.0), true),
        (client, operator, operator.at(OPERATOR.1), false),
        (monitoring, edge, edge.at(EDGE.0), false),
        (monitoring, edge, edge.at(EDGE.1), true),
        (monitoring, operator, operator.at(OPERATOR.0), false),
        (monitoring, operator, operator.at(OPERATOR.1), true),
        (stranger, dns, dns.at(DNS), true),
        (stranger, edge, edge.at(EDGE.0), false),
        (stranger, edge, edge.at(EDGE.1), false),
        (stranger, operator, operator.at(OPERATOR.0), false),
        (stranger, operator, operator.at(OPERATOR.1), false),
        (edge, operator, operator.at(OPERATOR.0), true),
        (edge, operator, operator.at(OPERATOR.1), false),
        (edge, other_edge, other_edge.at(EDGE.0), false),
        (edge, dns, dns.at(DNS), true),
        (operator, dns, dns.at(DNS), true),
        (operator, edge, edge.at(EDGE.0), false),
    ] {
        from.comes_to_reach(release, there, to.name, passes).await;
    }
    for (from, passes) in [(operator, true), (edge, false)] {
        from.comes_to_reach(release, API_SERVER, "the API server", passes).await;
    }
    // Through every region's Service, by its name, with a token that nobody has seen before.
    release.test().await;
    for namespace in [TEAM, "monitoring", "strangers"] {
        kubectl
            .run(&["delete", "pod", "-n", namespace, "idle", "--grace-period=0", "--force"])
            .await
            .unwrap();
    }
    release.helm("upgrade", &[]).await;
}
