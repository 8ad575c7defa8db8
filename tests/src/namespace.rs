//! A Kubernetes namespace of its own for each test, so that tests of one binary can run at once.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::control_plane::ControlPlane;
use crate::error::{HarnessError, Result};
use crate::kubectl::Kubectl;

/// A Kubernetes namespace that one test has made.
#[derive(Debug)]
pub struct TestNamespace {
    name: String,
    kubectl: Kubectl,
}

impl TestNamespace {
    pub(crate) async fn create(control_plane: &ControlPlane) -> Result<TestNamespace> {
        let name = format!("test-{:08x}", rand::random::<u32>());
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        Api::all(control_plane.client().await?).create(&PostParams::default(), &namespace).await.map_err(
            |source| HarnessError::Kubernetes {
                action: format!("create the namespace {name}"),
                source: Box::new(source),
            },
        )?;
        Ok(TestNamespace { name, kubectl: control_plane.kubectl().clone() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `kubectl -n NAME ARGUMENTS`; see [`Kubectl::run`].
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl.run(&[&["-n", self.name.as_str()], arguments].concat()).await
    }

    /// `kubectl apply` of `manifest` into it; see [`Kubectl::apply`].
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        self.kubectl.apply(&self.name, manifest).await
    }

    /// Deletes it with all that is in it. Only a cluster that outlives the test needs that.
    pub async fn delete(self) -> Result<()> {
        self.kubectl.run(&["delete", "namespace", "--wait=false", &self.name]).await.map(|_| ())
    }
}
