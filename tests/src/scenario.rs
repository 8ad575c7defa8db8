//! The usual start of a test: the CRDs applied, a Kubernetes namespace, an operator for it; then a
//! KvNamespace and edges as the test needs them.

use crate::control_plane::ControlPlane;
use crate::error::Result;
use crate::eventually::eventually;
use crate::install::install_crds;
use crate::kv::Kv;
use crate::namespace::TestNamespace;
use crate::nearkv::Server;

/// A Kubernetes namespace with an operator of its own.
#[derive(Debug)]
pub struct Scenario {
    /// The shared control plane.
    pub control_plane: &'static ControlPlane,
    /// The Kubernetes namespace of this test.
    pub namespace: TestNamespace,
    /// The first operator.
    pub operator: Server,
    flags: Vec<String>,
}

impl Scenario {
    /// Starts an operator with `flags` in a new Kubernetes namespace of the shared control plane.
    pub async fn start(flags: &[&str]) -> Result<Scenario> {
        let control_plane = ControlPlane::shared().await?;
        install_crds(control_plane).await?;
        let namespace = control_plane.namespace().await?;
        let name = format!("{}.operator-1", namespace.name());
        let operator = Server::operator(&name, control_plane, namespace.name(), flags).await?;
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Ok(Scenario { control_plane, namespace, operator, flags })
    }

    /// Another operator beside the first, with the same flags; `number` makes its name.
    pub async fn another_operator(&self, number: u32) -> Result<Server> {
        let name = format!("{}.operator-{number}", self.namespace.name());
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        Server::operator(&name, self.control_plane, self.namespace.name(), &flags).await
    }

    /// An edge in `region`, in front of the first operator.
    pub async fn edge(&self, region: &str) -> Result<Server> {
        let name = format!("{}.edge-{region}", self.namespace.name());
        Server::edge(&name, self.operator.url(), region, &[]).await
    }

    /// `kubectl apply` of a KvNamespace `settings` with the spec `spec` (YAML in flow style).
    pub async fn apply(&self, spec: &str) -> Result<String> {
        self.namespace.apply(&kv_namespace("settings", spec)).await
    }

    /// As [`Scenario::apply`], and waits for `Ready` as a user does it.
    pub async fn apply_ready(&self, spec: &str) -> Result<()> {
        self.apply(spec).await?;
        self.wait_for("Ready").await
    }

    /// `kubectl wait` for a condition of `settings` to be true, and of its present generation.
    pub async fn wait_for(&self, condition: &str) -> Result<()> {
        let generation = self.field("{.metadata.generation}").await?;
        eventually("the status of the present generation", async || {
            let seen = self.field("{.status.observedGeneration}").await.map_err(|error| error.to_string())?;
            if seen == generation { Ok(()) } else { Err(format!("{seen}, not {generation}")) }
        })
        .await?;
        let condition = format!("--for=condition={condition}");
        self.namespace.kubectl(&["wait", &condition, "--timeout=60s", "kvns/settings"]).await.map(|_| ())
    }

    /// A field of `settings`, by its JSONPath.
    pub async fn field(&self, path: &str) -> Result<String> {
        self.namespace.kubectl(&["get", "kvns", "settings", "-o", &format!("jsonpath={path}")]).await
    }

    /// `status reason message` of a condition of `settings`.
    pub async fn condition(&self, name: &str) -> Result<String> {
        let fields = ["status", "reason", "message"]
            .map(|field| format!("{{.status.conditions[?(@.type==\"{name}\")].{field}}}"));
        self.field(&fields.join(" ")).await
    }

    /// The names of the ConfigMaps of `settings`, of all parts or of one.
    pub async fn config_maps(&self, part: Option<&str>) -> Result<Vec<String>> {
        let mut selector = "nearkv.dev/kvnamespace=settings".to_owned();
        if let Some(part) = part {
            selector.push_str(&format!(",nearkv.dev/part={part}"));
        }
        let names = self.namespace.kubectl(&["get", "cm", "-l", &selector, "-o", "name"]).await?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Waits until no ConfigMap of `settings` is left.
    pub async fn until_all_data_are_gone(&self) -> Result<()> {
        eventually("all data are gone", async || {
            let left = self.config_maps(None).await.map_err(|error| error.to_string())?;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await
    }

    /// `settings` at one server.
    pub fn settings(&self, server: &Server) -> Kv {
        Kv::new(server.kv(self.namespace.name(), "settings"))
    }

    /// Ends it all. A test that fails need not come here: everything ends with its process.
    pub async fn end(self) -> Result<()> {
        self.operator.stop().await?;
        self.namespace.delete().await
    }
}

/// The manifest of a KvNamespace.
pub fn kv_namespace(name: &str, spec: &str) -> String {
    format!("apiVersion: nearkv.dev/v1alpha1\nkind: KvNamespace\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}
