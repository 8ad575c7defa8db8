//! The cluster of the kubeconfig, with the feature `cluster`: what a command asks of it when no server is named. Without the
//! feature, `cluster_absent.rs` stands in this place with the same three functions.

mod choose;
mod repair;
mod service;
mod tunnel;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::args::RepairArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::reach::{ClusterArgs, ServiceName};
use choose::Wanted;
use service::Service;

pub(crate) use tunnel::Tunnel;

/// A port-forward to the origin's service, and the account.
pub(crate) async fn tunnel(
    args: &ClusterArgs,
    named: Option<&ServiceName>,
) -> Result<(Tunnel, String), Failure> {
    let (service, account) = find(args, named, Wanted::Origin).await?;
    Ok((Tunnel::open(service).await?, account))
}

/// The URL of the service over all edges, for programs in the cluster, and the account. Nothing is forwarded.
pub(crate) async fn address(
    args: &ClusterArgs,
    named: Option<&ServiceName>,
) -> Result<(String, String), Failure> {
    let (service, account) = find(args, named, Wanted::Near).await?;
    Ok((service.url(), account))
}

/// `kubectl kv repair`.
///
/// # Errors
/// As [`repair::run`].
pub async fn repair(args: RepairArgs) -> Result<(), Failure> {
    repair::run(args).await
}

async fn find(
    args: &ClusterArgs,
    named: Option<&ServiceName>,
    wanted: Wanted,
) -> Result<(Service, String), Failure> {
    let config = config(args).await?;
    let account = args.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    Ok((Service::find(config, named, wanted).await?, account))
}

/// How to reach the cluster that the flags name.
async fn config(args: &ClusterArgs) -> Result<Config, Failure> {
    // An error says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = KubeConfigOptions { context: args.context.clone(), ..KubeConfigOptions::default() };
    let config = match (&args.kubeconfig, &args.context) {
        (Some(path), _) => match Kubeconfig::read_from(path) {
            Ok(kubeconfig) => {
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        },
        (None, Some(_)) => Config::from_kubeconfig(&options).await.map_err(|error| error.to_string()),
        (None, None) => Config::infer().await.map_err(|error| error.to_string()),
    };
    config.map_err(|error| {
        Failure::new(Exit::Unreachable, format!("failed to find a cluster: {error}"))
            .with_advice("name a server with --server URL, or a cluster with --kubeconfig and --context")
    })
}
