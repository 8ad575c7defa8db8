//! `kubectl kv repair NAME`: asks the operator to write a KvNamespace's root anew from memory (design §6 invariant 7). It
//! only sets an annotation; the controller judges and does it. In development mode the annotation goes into the
//! manifest.

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use nearkv::{Clock, SystemClock};
use nearkv_controller::api::{KvNamespace, REPAIR_ANNOTATION};

use crate::args::RepairArgs;
use crate::failure::Failure;

/// Why the request cannot be placed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepairError {
    /// There is no usable kubeconfig.
    #[error(transparent)]
    Cluster(#[from] Failure),
    /// The cluster cannot be asked.
    #[error("failed to set up a client of the cluster: {0}")]
    Client(#[source] Box<kube::Error>),
    /// The API server refuses.
    #[error("failed to annotate KvNamespace {account}/{name}: {source}")]
    Annotate {
        /// Its Kubernetes namespace.
        account: String,
        /// Its name.
        name: String,
        /// The API server's words.
        source: Box<kube::Error>,
    },
}

/// Sets the annotation, to a value that asks once.
///
/// # Errors
/// [`RepairError`]; then nothing was asked for.
pub(super) async fn run(args: RepairArgs) -> Result<(), RepairError> {
    let RepairArgs { name, cluster } = args;
    let config = super::config(&cluster).await?;
    let account = cluster.namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|error| RepairError::Client(Box::new(error)))?;

    let request = format!("asked at {}", SystemClock.now());
    let patch = serde_json::json!({"metadata": {"annotations": {REPAIR_ANNOTATION: request}}});
    let api: Api<KvNamespace> = Api::namespaced(client, &account);
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.map_err(|source| {
        RepairError::Annotate { account: account.clone(), name: name.clone(), source: Box::new(source) }
    })?;
    println!(
        "repair of {account}/{name} is asked for; what came of it: kubectl -n {account} describe kvns {name}"
    );
    Ok(())
}
