//! The command line of `nearkv-edge-cache`. Every flag has an environment variable (design §3).

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use nearkv::{
    http::server::args::{AuthMode, DataListenerArgs},
    telemetry::TelemetryArgs,
};

use crate::{RegionName, Settings};

/// Serves Workers KV reads from memory in one region, in front of an origin or another edge.
#[derive(Clone, Debug, Parser)]
#[command(name = "nearkv-edge-cache", version, about)]
pub struct Args {
    /// URL of the origin, or of the edge that this one is a tier in front of.
    #[arg(long, env = "NEARKV_ORIGIN", value_name = "URL")]
    pub origin: String,
    /// The region this edge is in: stands in `Cache-Status`.
    #[arg(long, env = "NEARKV_REGION", value_name = "NAME")]
    pub region: RegionName,
    /// Where the binding face is served (HTTP/1.1 and h2c).
    #[arg(long, env = "NEARKV_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8701")]
    pub listen: SocketAddr,
    /// Where `/livez`, `/readyz`, `/metrics` and `/log` are served.
    #[arg(long, env = "NEARKV_ADMIN_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:9701")]
    pub admin_listen: SocketAddr,
    /// Most memory for keys, values, metadata and their overhead, in bytes or as a Kubernetes quantity.
    #[arg(long, env = "NEARKV_CACHE_SIZE", value_name = "SIZE", default_value = "256Mi", value_parser = bytes)]
    pub cache_size: u64,
    /// A folder for snapshots of the cache, so that it is not empty after a restart. They hold values, in files that only
    /// their owner can read. Default: none are kept.
    #[arg(long, env = "NEARKV_SNAPSHOT_DIR", value_name = "DIR")]
    pub snapshot_dir: Option<PathBuf>,
    /// TLS, and the end.
    #[command(flatten)]
    pub data_listener: DataListenerArgs,
    /// The authorities (PEM) that are trusted where the origin is https. Read again when the file is replaced. Default:
    /// those of the system.
    #[arg(long, env = "NEARKV_ORIGIN_CA_FILE", value_name = "PATH")]
    pub origin_ca_file: Option<PathBuf>,
    /// Whether callers need a token. The origin decides what it permits; off, everybody who reaches the listener may read
    /// what this edge may.
    #[arg(long, env = "NEARKV_AUTH", value_name = "MODE", default_value = "on")]
    pub auth: AuthMode,
    /// The file with this edge's own token, of audience nearkv, which may get kvnamespaces/feed. Read again when it is
    /// replaced.
    #[arg(long, env = "NEARKV_ORIGIN_TOKEN_FILE", value_name = "PATH")]
    pub origin_token_file: Option<PathBuf>,
    /// While nobody can be asked who may read, an earlier permission goes on serving cached reads for so long, in
    /// seconds. 0 is strict.
    #[arg(
        long,
        env = "NEARKV_AUTH_STALE_IF_ERROR_SECONDS",
        value_name = "SECONDS",
        default_value_t = 10_800
    )]
    pub auth_stale_if_error_seconds: u64,
    /// The log, and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl Args {
    /// What the cache is told.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings { cache_bytes: self.cache_size }
    }
}

/// A size in bytes: digits, and one of the suffixes of Kubernetes quantities that make sense for memory.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match &text[digits.len()..] {
        "" => Some(1),
        "k" => Some(1000),
        "M" => Some(1000_u64.pow(2)),
        "G" => Some(1000_u64.pow(3)),
        "Ki" => Some(1024),
        "Mi" => Some(1024_u64.pow(2)),
        "Gi" => Some(1024_u64.pow(3)),
        _ => None,
    };
    let size = digits.parse::<u64>().ok().zip(factor).and_then(|(count, factor)| count.checked_mul(factor));
    size.filter(|size| *size > 0).ok_or_else(|| "please give a size like 256Mi, 1Gi or 268435456".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_has_an_environment_variable() {
        let command = Args::command();
        command.clone().debug_assert();
        for argument in command.get_arguments() {
            let name = format!("NEARKV_{}", argument.get_id().as_str().to_uppercase());
            assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(name.as_str()));
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let args =
            Args::parse_from(["nearkv-edge-cache", "--origin", "http://origin:8700", "--region", "london"]);
        assert_eq!(args.listen.to_string(), "0.0.0.0:8701");
        assert_eq!(args.admin_listen.to_string(), "0.0.0.0:9701");
        assert_eq!(args.settings().cache_bytes, 256 * 1024 * 1024);
    }

    #[test]
    fn a_size_is_a_number_of_bytes_or_a_quantity() {
        for (text, size) in [("1", 1), ("5k", 5000), ("64Ki", 65_536), ("1Gi", 1 << 30), ("2M", 2_000_000)] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for bad in ["", "Mi", "0", "-1", "1.5Gi", "1 Mi", "1mi", "99999999999Gi", "1KiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
