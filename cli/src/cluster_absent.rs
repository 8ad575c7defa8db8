//! What stands in the place of `cluster` without the feature of that name: every question to a cluster fails, and says how
//! to get the program that can ask. Development mode asks no cluster, and its first build is shorter without the API client.

use std::convert::Infallible;
use std::net::SocketAddr;

use crate::args::RepairArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::reach::{ClusterArgs, ServiceName};

/// There is none.
#[derive(Debug)]
pub(crate) struct Tunnel(Infallible);

impl Tunnel {
    pub(crate) fn url(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self.0 {}
    }

    pub(crate) async fn end(self) {
        match self.0 {}
    }
}

pub(crate) async fn tunnel(_: &ClusterArgs, _: Option<&ServiceName>) -> Result<(Tunnel, String), Failure> {
    Err(absent("name a server with --server URL"))
}

pub(crate) async fn address(_: &ClusterArgs, _: Option<&ServiceName>) -> Result<(String, String), Failure> {
    Err(absent("name a server with --server URL"))
}

/// `kubectl kv repair`.
///
/// # Errors
/// Always.
pub async fn repair(_: RepairArgs) -> Result<(), Failure> {
    Err(absent("set the annotation nearkv.dev/repair with kubectl annotate"))
}

fn absent(instead: &str) -> Failure {
    Failure::new(Exit::Unreachable, "this kubectl-kv was built without access to clusters").with_advice(
        format!("{instead}; or build all of it: cargo install --locked --path cli --features cluster"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_without_a_server_says_how_to_build_the_plugin_that_finds_one() {
        let refused = crate::reach::ServerArgs::default().reach().await.unwrap_err();
        assert_eq!(refused.exit, Exit::Unreachable);
        let advice = refused.advice.unwrap_or_default();
        assert!(advice.contains("--server") && advice.contains("--features cluster"), "{advice}");
    }
}
