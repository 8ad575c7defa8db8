//! The release under test: installed in a namespace that enforces Pod Security "restricted", two regions on the one node.

use std::time::Duration;

use nearkv_tests::binaries::Binaries;
use nearkv_tests::cluster::{API_SERVER, Images, chart};
use nearkv_tests::kv::{Answer, Kv};
use nearkv_tests::tool::Tool;
use nearkv_tests::{Cluster, eventually};

/// The namespace of the release.
pub(crate) const SYSTEM: &str = "nearkv-system";
/// The namespace of its users, and their account.
pub(crate) const TEAM: &str = "team-a";
/// The ServiceAccount of their application: it may read and write all values there.
pub(crate) const APPLICATION: &str = "app";
/// The regions; each is a label of the node.
pub(crate) const REGIONS: [&str; 2] = ["london", "tokyo"];

/// Installed here for a release of its own; an image that must not be pulled shows that none is.
const VALUES: &str = "
image: {pullPolicy: Never}
regions:
  - {name: london, nodeSelector: {example.com/london: here}}
  - {name: tokyo, nodeSelector: {example.com/tokyo: here}}
";

/// helm's own limit for what it waits for, on a machine that compiles at the same time.
const TIMEOUT: &str = "--timeout=180s";

/// helm's argument for where NetworkPolicies let operators find the API server: without it an operator that opens its
/// first connection before the network has heard of the policies gets along, and a slower one never becomes ready.
pub(crate) fn flow_to_the_api_server() -> String {
    format!(r#"--set-json=networkPolicy.apiServer=[{{"ipBlock": {{"cidr": "{}/32"}}}}]"#, API_SERVER.ip())
}

pub(crate) struct Release<'a> {
    pub(crate) cluster: &'a Cluster,
    values: tempfile::NamedTempFile,
}

impl Release<'_> {
    pub(crate) async fn install(cluster: &Cluster) -> Release<'_> {
        let kubectl = cluster.kubectl();
        kubectl.run(&["create", "namespace", SYSTEM]).await.unwrap();
        let restricted = "pod-security.kubernetes.io/enforce=restricted";
        kubectl.run(&["label", "namespace", SYSTEM, restricted]).await.unwrap();
        kubectl.run(&["create", "namespace", TEAM]).await.unwrap();
        kubectl.run(&["label", "namespace", TEAM, restricted]).await.unwrap();
        kubectl
            .run(&["label", "node", "node", "example.com/london=here", "example.com/tokyo=here"])
            .await
            .unwrap();
        let values = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(values.path(), VALUES).unwrap();
        let release = Release { cluster, values };
        release.helm("install", &[]).await;
        let account = format!("--serviceaccount={TEAM}:{APPLICATION}");
        kubectl.run(&["create", "serviceaccount", "-n", TEAM, APPLICATION]).await.unwrap();
        let role = ["create", "rolebinding", "-n", TEAM, "editors", "--clusterrole=nearkv-editor", &account];
        kubectl.run(&role).await.unwrap();
        release.all_pods_are_ready().await;
        release
    }

    /// `helm install` or `helm upgrade` of the release, which waits until all is ready.
    pub(crate) async fn helm(&self, verb: &str, more: &[&str]) {
        let values = self.values.path().display().to_string();
        self.helm_of(verb, "nearkv", SYSTEM, &[&["--values", &values], more].concat()).await;
    }

    /// The same for any release of the chart.
    pub(crate) async fn helm_of(&self, verb: &str, name: &str, namespace: &str, more: &[&str]) {
        let chart = chart().display().to_string();
        let image = [
            format!("--set=image.registry={}", Images::REGISTRY),
            format!("--set=image.tag={}", Images::TAG),
        ];
        let mut arguments = vec![verb, name, &chart, "--namespace", namespace];
        arguments.extend(image.iter().map(String::as_str));
        arguments.extend(["--wait", TIMEOUT]);
        arguments.extend(more);
        if let Err(error) = self.cluster.helm().run(&arguments).await {
            panic!("{error:?}\n{}", self.state().await);
        }
    }

    /// `helm test`: every region's Service answers a read, by its DNS name.
    pub(crate) async fn test(&self) {
        let test = ["test", "nearkv", "--namespace", SYSTEM, TIMEOUT];
        if let Err(error) = self.cluster.helm().run(&test).await {
            panic!("{error:?}\n{}", self.state().await);
        }
    }

    /// The names of its pods.
    pub(crate) async fn pods(&self) -> Vec<String> {
        let running = "--field-selector=status.phase=Running";
        let get = ["get", "pods", "-n", SYSTEM, running, "-o", "jsonpath={.items[*].metadata.name}"];
        let names = self.cluster.kubectl().run(&get).await.unwrap();
        names.split_whitespace().map(str::to_owned).collect()
    }

    /// The ClusterIP of one of its Services, with the port of data.
    pub(crate) async fn url(&self, service: &str) -> String {
        self.url_in(SYSTEM, service).await
    }

    /// The same for a Service of any release.
    pub(crate) async fn url_in(&self, namespace: &str, service: &str) -> String {
        let path = "jsonpath=http://{.spec.clusterIP}:{.spec.ports[0].port}";
        self.cluster.kubectl().run(&["get", "service", "-n", namespace, service, "-o", path]).await.unwrap()
    }

    /// `kubectl kv`, as the application.
    pub(crate) async fn plugin(&self) -> Tool {
        let plugin = tokio::task::block_in_place(Binaries::build).unwrap().kubectl_kv;
        Tool::new(plugin)
            .env("NEARKV_KUBECONFIG", self.cluster.kubeconfig().display().to_string())
            .env("NEARKV_NAMESPACE", TEAM)
            .env("NEARKV_TOKEN", self.token(APPLICATION).await)
    }

    /// A token of audience nearkv of one of the team's ServiceAccounts.
    pub(crate) async fn token(&self, account: &str) -> String {
        let create = ["create", "token", "-n", TEAM, account, "--audience=nearkv", "--duration=1h"];
        self.cluster.kubectl().run(&create).await.unwrap().trim().to_owned()
    }

    /// The KvNamespace `settings` of the team, at one of the Services, as the application sees it.
    pub(crate) async fn settings(&self, service: &str) -> Kv {
        let base = format!("{}/kv/{TEAM}/settings", self.url(service).await);
        Kv::new(base).bearing(&self.token(APPLICATION).await)
    }

    async fn all_pods_are_ready(&self) {
        let kubectl = self.cluster.kubectl();
        let ready = ["wait", "-n", SYSTEM, "--for=condition=Ready", "pods", "--all", "--timeout=60s"];
        kubectl.run(&ready).await.unwrap();
        let operator_and_edges = 2 + 2 * REGIONS.len();
        assert_eq!(self.pods().await.len(), operator_and_edges, "{}", self.state().await);
    }

    /// What each process has in memory, without any load: for docs/performance.md.
    pub(crate) async fn say_memory(&self) {
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let status = std::fs::read_to_string(process.path().join("status")).unwrap_or_default();
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if let (Some(name @ ("nearkv-operator" | "nearkv-edge-cac")), Some(memory), Some(user)) =
                (field("Name:"), field("VmRSS:"), field("Uid:"))
                && user.starts_with("65532")
            {
                println!("idle memory of {name}: {memory}");
            }
        }
    }

    /// `helm uninstall`, after which the KvNamespace, and the ConfigMaps with its data, are there.
    pub(crate) async fn uninstall_keeps_the_data(&self) {
        let uninstall = ["uninstall", "nearkv", "--namespace", SYSTEM, "--wait", TIMEOUT];
        self.cluster.helm().run(&uninstall).await.unwrap();
        let kubectl = self.cluster.kubectl();
        kubectl.run(&["get", "kvns", "-n", TEAM, "settings"]).await.unwrap();
        kubectl.run(&["get", "configmap", "-n", TEAM, "settings.kv"]).await.unwrap();
        eventually("no pod of the release", async || match self.pods().await {
            none if none.is_empty() => Ok(()),
            some => Err(some.join(", ")),
        })
        .await
        .unwrap();
        self.helm("install", &[]).await;
        let edges = self.settings("nearkv-edge").await;
        eventually("the value from before, at a release that is installed anew", async || {
            let answer = edges.get("site_title").await.and_then(Answer::value);
            match answer.map_err(|error| error.to_string())?.as_deref() {
                Some("My Awesome Blog") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
    }

    /// What there is in the namespace, for the message of a failure.
    pub(crate) async fn state(&self) -> String {
        let kubectl = self.cluster.kubectl();
        let mut text = String::new();
        for what in [
            &["get", "pods,events", "-n", SYSTEM, "-o", "wide"][..],
            &["logs", "-n", SYSTEM, "-l", "app.kubernetes.io/name=nearkv", "--prefix", "--tail=40"],
        ] {
            match kubectl.run(what).await {
                Ok(printed) => text.push_str(&printed),
                Err(error) => text.push_str(&format!("{error:?}\n")),
            }
        }
        text
    }
}

/// For an effect that Services and edges need some time for.
pub(crate) const SPREAD: Duration = Duration::from_secs(30);
