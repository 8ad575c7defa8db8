//! The command line: every flag, its environment variable, and what is refused before anything starts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use nearkv_edge_cache::{RegionName, RegionNameError};

use crate::commands::KvCommand;
use crate::reach::ClusterArgs;

/// Workers KV for Kubernetes on the command line. As `kubectl-kv` on the PATH it is `kubectl kv`.
#[derive(Debug, Parser)]
#[command(name = "kubectl-kv", bin_name = "kubectl kv", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What asks a server.
    #[command(flatten)]
    Kv(Box<KvCommand>),
    /// Run nearkv on this machine, without a cluster: the origin, and an edge per region.
    Dev(DevArgs),
    /// Have the operator write a KvNamespace's root anew, where it is missing or damaged or a part of the data is lost. In
    /// development mode, set the annotation nearkv.dev/repair in the manifest; a value with the word accept-loss drops keys.
    Repair(RepairArgs),
}

/// `kubectl kv dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The state directory, made if there is none. A cluster takes it with `kubectl apply --server-side -R`.
    #[arg(long, value_name = "DIR", default_value = ".nearkv", env = "NEARKV_DATA")]
    pub data: PathBuf,

    /// Where the origin listens. Loopback only: there is no authentication. Port 0 is any free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8700", env = "NEARKV_LISTEN")]
    pub listen: Loopback,

    /// An edge: the name of its region and where it listens. May be repeated. Without any: london=127.0.0.1:8701
    /// and tokyo=127.0.0.1:8702.
    #[arg(
        long = "region",
        value_name = "NAME=ADDR",
        env = "NEARKV_REGIONS",
        value_delimiter = ',',
        default_values = ["london=127.0.0.1:8701", "tokyo=127.0.0.1:8702"],
        hide_default_value = true
    )]
    pub regions: Vec<Region>,

    /// A file of KvNamespaces and ConfigMaps, or a folder of such files; followed while it runs. May be repeated.
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "FILE_OR_DIR",
        env = "NEARKV_FILENAMES",
        value_delimiter = ','
    )]
    pub filenames: Vec<PathBuf>,
}

/// `kubectl kv repair`.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// The KvNamespace.
    pub name: String,

    /// Drop the keys whose entries are lost or not known for certain. Without it a repair that would drop keys only says how
    /// many.
    #[arg(long)]
    pub accept_loss: bool,

    /// Seconds to wait for the operator to say what came of it.
    #[arg(
        long,
        env = "NEARKV_REPAIR_TIMEOUT",
        value_name = "SECONDS",
        default_value = "120",
        value_parser = seconds
    )]
    pub timeout: Duration,

    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

/// An address of this machine that other machines cannot reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback(pub SocketAddr);

impl FromStr for Loopback {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = match text.strip_prefix("localhost:").map(str::parse) {
            Some(Ok(port)) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            _ => text.parse().map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:8700".to_owned())?,
        };
        if address.ip().is_loopback() {
            return Ok(Self(address));
        }
        Err("the development mode has no authentication and listens on loopback only, such as 127.0.0.1:8700"
            .to_owned())
    }
}

/// `--region NAME=ADDR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The region's name, as it stands in `Cache-Status`.
    pub name: RegionName,
    /// Where its edge listens.
    pub listen: Loopback,
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, listen) =
            text.split_once('=').ok_or("expected NAME=ADDR, such as london=127.0.0.1:8701")?;
        let name = name.parse().map_err(|error: RegionNameError| error.to_string())?;
        Ok(Self { name, listen: listen.parse()? })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.listen.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dev(arguments: &[&str]) -> Result<DevArgs, String> {
        let all = ["kubectl-kv", "dev"].iter().chain(arguments);
        match Cli::try_parse_from(all).map_err(|error| error.to_string())?.command {
            Command::Dev(args) => Ok(args),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let args = dev(&[]).unwrap();
        let regions: Vec<String> = args.regions.iter().map(ToString::to_string).collect();
        assert_eq!(args.data, PathBuf::from(".nearkv"));
        assert_eq!(args.listen.0.to_string(), "127.0.0.1:8700");
        assert_eq!(regions, ["london=127.0.0.1:8701", "tokyo=127.0.0.1:8702"]);
        assert!(args.filenames.is_empty());
    }

    #[test]
    fn regions_and_manifests_may_be_repeated() {
        let args =
            dev(&["--region", "a=127.0.0.1:0", "--region", "b=[::1]:7", "-f", "x.yaml", "-f", "y"]).unwrap();
        assert_eq!(args.regions[1].to_string(), "b=[::1]:7");
        assert_eq!(args.filenames, [PathBuf::from("x.yaml"), PathBuf::from("y")]);
        assert_eq!(dev(&["--listen", "localhost:0"]).unwrap().listen.0.to_string(), "127.0.0.1:0");
    }

    #[test]
    fn an_address_that_others_can_reach_is_refused() {
        for listen in ["0.0.0.0:8700", "10.0.0.1:8700", "[::]:8700"] {
            let error = dev(&["--listen", listen]).unwrap_err();
            assert!(error.contains("no authentication"), "{error}");
        }
        assert!(dev(&["--region", "london=0.0.0.0:1"]).unwrap_err().contains("loopback only"));
        assert!(dev(&["--region", "London=127.0.0.1:1"]).unwrap_err().contains("no name for a region"));
        assert!(dev(&["--region", "london"]).unwrap_err().contains("NAME=ADDR"));
    }

    /// Design §3. What is said anew for each entry (`--ttl`, `--prefix`) or each repair (`--accept-loss`) has none: a
    /// forgotten variable would change what is written, or drop what is stored.
    #[test]
    fn every_flag_that_says_where_or_how_to_run_has_an_environment_variable() {
        use clap::CommandFactory;
        let mut checked = 0;
        for command in Cli::command().get_subcommands() {
            let servers = ["dev", "repair"].contains(&command.get_name());
            for flag in command.get_arguments().filter(|a| !a.is_positional()) {
                let says_where = flag.get_help_heading() == Some("Where");
                if (servers || says_where)
                    && !["help", "version", "accept_loss"].contains(&flag.get_id().as_str())
                {
                    let name = flag.get_env().unwrap_or_default().to_string_lossy().into_owned();
                    assert!(name.starts_with("NEARKV_"), "{} of {}", flag.get_id(), command.get_name());
                    checked += 1;
                }
            }
        }
        assert!(checked > 10, "{checked} flags");
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
