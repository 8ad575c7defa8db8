//! A version of nearkv: its binaries, its CRDs and the flags that it knows.

use std::path::PathBuf;

use nearkv_tests::{ControlPlane, Result};

/// One version.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Its word in names of processes and in what is printed.
    pub(crate) label: &'static str,
    pub(crate) operator: PathBuf,
    pub(crate) edge: PathBuf,
    /// The folder with its CRDs.
    pub(crate) crds: PathBuf,
    /// Flags of the operator that the other version does not take.
    pub(crate) operator_flags: Vec<String>,
}

/// The two that replace each other.
#[derive(Clone, Debug)]
pub(crate) struct Versions {
    pub(crate) old: Version,
    pub(crate) new: Version,
}

impl Version {
    /// `kubectl apply` of its CRDs, over those of another version where there are any.
    pub(crate) async fn apply_crds(&self, control_plane: &ControlPlane) -> Result<()> {
        let folder = self.crds.display().to_string();
        control_plane.kubectl().run(&["apply", "-f", &folder]).await?;
        let established = ["wait", "--for=condition=Established", "--timeout=60s", "-f", &folder];
        control_plane.kubectl().run(&established).await.map(|_| ())
    }
}
