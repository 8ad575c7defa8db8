//! What stands in the place of `cluster` without the feature of that name: every question to a cluster fails, and says how
//! to get the program that can ask. Development mode asks no cluster, and its first build is shorter without the API client.

use std::convert::Infallible;
use std::net::SocketAddr;

use crate::args::RepairArgs;
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
    Err(Failure::needs_cluster_feature("name a server with --server URL"))
}

pub(crate) async fn address(_: &ClusterArgs, _: Option<&ServiceName>) -> Result<(String, String), Failure> {
    Err(Failure::needs_cluster_feature("name a server with --server URL"))
}

/// `kubectl kv repair`.
///
/// # Errors
/// Always.
pub async fn repair(_: RepairArgs) -> Result<(), Failure> {
    Err(Failure::needs_cluster_feature("set the annotation nearkv.dev/repair with kubectl annotate"))
}
