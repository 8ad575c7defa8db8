//! The command line of `nearkv-operator`. Every flag has an environment variable.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Parser, Subcommand};
use nearkv::{
    http::server::args::{AuthMode, DataListenerArgs, seconds},
    telemetry::TelemetryArgs,
};

use nearkv_controller::api::ByteSize;

use crate::controller::binding::ServiceUrl;

/// The operator of nearkv: serves the data of KvNamespaces, which are in ConfigMaps, and reconciles the
/// KvNamespace objects.
#[derive(Debug, Parser)]
#[command(name = "nearkv-operator", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `run` if nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

impl Cli {
    /// What to do.
    #[must_use]
    pub fn what(self) -> Command {
        self.command.unwrap_or_else(|| Command::Run(Box::new(self.run)))
    }
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve and reconcile, until SIGTERM or Ctrl-C.
    Run(Box<RunArgs>),
    /// Print the CustomResourceDefinition.
    Crd,
}

/// The flags of `run`. The cluster is found as kubectl does it: KUBECONFIG, ~/.kube/config, or the pod's own.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The data listener: the KV face, HTTP/1.1 and h2c.
    #[arg(long, env = "NEARKV_LISTEN", default_value = "0.0.0.0:8700", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The admin listener: /livez, /readyz, /metrics, /log.
    #[arg(long, env = "NEARKV_ADMIN_LISTEN", default_value = "0.0.0.0:9700", value_name = "ADDRESS")]
    pub admin_listen: SocketAddr,
    /// Serve the KvNamespaces of this Kubernetes namespace only; may be repeated (in the environment: separated
    /// by commas). Default: all.
    #[arg(long, env = "NEARKV_WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',')]
    pub watch_namespace: Vec<String>,
    /// How long an object of the data must have been unreachable before it is collected, in seconds.
    #[arg(long, env = "NEARKV_GARBAGE_GRACE", default_value = "600", value_name = "SECONDS", value_parser = seconds)]
    pub garbage_grace: Duration,
    /// What is sent to the API server in the long run, in bytes per second; 0 is without a limit.
    #[arg(long, env = "NEARKV_PACE_BYTES_PER_SECOND", default_value = "1Mi", value_name = "BYTES")]
    pub pace_bytes_per_second: ByteSize,
    /// The most bytes that the data of all KvNamespaces may have in the API server, garbage included; upkeep and deletions may
    /// take twice as much for a while.
    #[arg(long, env = "NEARKV_BUDGET_BYTES", default_value = "256Mi", value_name = "BYTES")]
    pub budget_bytes: ByteSize,
    /// The most objects that they may have there.
    #[arg(long, env = "NEARKV_BUDGET_OBJECTS", default_value_t = 20_000, value_name = "OBJECTS")]
    pub budget_objects: u64,
    /// The Lease that decides which replica reconciles and checkpoints.
    #[arg(long, env = "NEARKV_LEASE_NAME", default_value = "nearkv-operator", value_name = "NAME")]
    pub lease_name: String,
    /// The Lease's Kubernetes namespace. Default: the first watched one, else the one that the operator runs in.
    #[arg(long, env = "NEARKV_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// This replica's name in the Lease and in Events. Default: POD_NAME, else the host's name, with a random part.
    #[arg(long, env = "NEARKV_IDENTITY", value_name = "NAME")]
    pub identity: Option<String>,
    /// Whether callers need a token, of audience nearkv or of a binding. Off, everybody who reaches the listener may do
    /// everything.
    #[arg(long, env = "NEARKV_AUTH", default_value = "on", value_name = "MODE")]
    pub auth: AuthMode,
    /// How long a permission is remembered, in seconds, at most 60: so long a token goes on after it was revoked.
    #[arg(long, env = "NEARKV_AUTH_ALLOWED_SECONDS", default_value = "60", value_name = "SECONDS", value_parser = at_most::<60>)]
    pub auth_allowed_seconds: Duration,
    /// How long a refusal is remembered, in seconds, at most 30: so long a new permission may have to wait.
    #[arg(long, env = "NEARKV_AUTH_REFUSED_SECONDS", default_value = "30", value_name = "SECONDS", value_parser = at_most::<30>)]
    pub auth_refused_seconds: Duration,
    /// TLS, and the end.
    #[command(flatten)]
    pub data_listener: DataListenerArgs,
    /// Where programs reach nearkv, for the Secrets of bindings: the URL of the Service over all edges. Without it no
    /// binding is made.
    #[arg(long, env = "NEARKV_SERVICE_URL", value_name = "URL")]
    pub service_url: Option<ServiceUrl>,
    /// The log, and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

fn at_most<const MOST: u64>(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= MOST);
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| format!("a whole number of seconds up to {MOST} is needed"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_has_an_environment_variable() {
        for argument in
            Cli::command().get_arguments().filter(|a| a.get_id() != "help" && a.get_id() != "version")
        {
            let variable = argument.get_env().unwrap_or_default().to_string_lossy();
            let flag = argument.get_long().unwrap_or_default().replace('-', "_").to_uppercase();
            assert_eq!(variable, format!("NEARKV_{flag}"));
        }
    }

    #[test]
    fn run_is_what_is_done_if_nothing_is_said() {
        for line in [
            &["nearkv-operator", "--garbage-grace", "7"][..],
            &["nearkv-operator", "run", "--garbage-grace", "7"],
        ] {
            let Command::Run(run) = Cli::parse_from(line).what() else { panic!("{line:?}") };
            assert_eq!(run.garbage_grace, Duration::from_secs(7));
            assert_eq!(run.pace_bytes_per_second, ByteSize(1 << 20));
        }
        assert!(matches!(Cli::parse_from(["nearkv-operator", "crd"]).what(), Command::Crd));
    }
}
