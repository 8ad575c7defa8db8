//! What belongs to a whole cluster is applied once for all tests of a process: two `kubectl apply` of the same object at
//! the same moment both find it absent, and the slower one fails.

use tokio::sync::OnceCell;

use crate::control_plane::ControlPlane;
use crate::error::Result;

/// The generated CRDs, as they are checked in.
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds");

/// The Kubernetes namespace, the permissions and the roles of an installation without Helm.
const RBAC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/rbac.yaml");

/// `kubectl apply` of the CRDs.
///
/// # Errors
/// As [`crate::Kubectl::run`].
pub async fn install_crds(control_plane: &ControlPlane) -> Result<()> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED.get_or_try_init(|| install_crds_in(control_plane)).await.copied()
}

/// The same for one of several control planes of a process.
///
/// # Errors
/// As [`crate::Kubectl::run`].
pub async fn install_crds_in(control_plane: &ControlPlane) -> Result<()> {
    control_plane.kubectl().run(&["apply", "-f", CRDS]).await?;
    let established = ["wait", "--for=condition=Established", "--timeout=60s", "-f", CRDS];
    control_plane.kubectl().run(&established).await.map(|_| ())
}

/// `kubectl apply` of `examples/rbac.yaml`.
///
/// # Errors
/// As [`crate::Kubectl::run`].
pub async fn install_rbac(control_plane: &ControlPlane) -> Result<()> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let install = async || control_plane.kubectl().run(&["apply", "-f", RBAC]).await.map(|_| ());
    INSTALLED.get_or_try_init(install).await.copied()
}
