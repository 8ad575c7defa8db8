//! The listeners: the origin's, and one for the edge of each region. Bound before anything is read or written, so that
//! a port that is taken changes nothing; served once everything is in memory.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use nearkv::http::server::{self, ServeError, serve};
use nearkv_edge_cache::{EdgeCache, Region, RegionName, Settings};
use nearkv_origin::Origin;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::namespaces::Managed;
use crate::args::{DevArgs, Loopback};

/// Bound listeners.
pub(super) struct Listeners {
    origin: TcpListener,
    regions: Vec<(RegionName, TcpListener)>,
}

/// Where everything listens, with real ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) origin: SocketAddr,
    pub(super) regions: Vec<(String, SocketAddr)>,
}

/// A listener that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "failed to listen on {address} for {what}: {source}; give another address with {flag}, or port 0 for a free one"
)]
pub struct BindError {
    address: SocketAddr,
    what: String,
    flag: &'static str,
    source: io::Error,
}

impl Listeners {
    /// Binds all.
    pub(super) async fn bind(args: &DevArgs) -> Result<Self, BindError> {
        let origin = bind(args.listen, "the origin".to_owned(), "--listen").await?;
        let mut regions = Vec::new();
        for region in &args.regions {
            let what = format!("the edge of {}", region.name);
            regions.push((region.name.clone(), bind(region.listen, what, "--region").await?));
        }
        Ok(Self { origin, regions })
    }

    /// Where they are.
    pub(super) fn addresses(&self) -> io::Result<Addresses> {
        let regions =
            self.regions.iter().map(|(name, listener)| Ok((name.to_string(), listener.local_addr()?)));
        Ok(Addresses { origin: self.origin.local_addr()?, regions: regions.collect::<io::Result<_>>()? })
    }

    /// Serves the origin, and an edge around it per region, until `shutdown`; requests in flight are answered.
    pub(super) fn serve(
        self,
        origin: &Arc<Origin>,
        managed: &Arc<Managed>,
        shutdown: &CancellationToken,
    ) -> Servers {
        let mut tasks = JoinSet::new();
        let router = server::router(origin.clone(), managed.clone(), &server::Settings::default());
        tasks.spawn(serve(self.origin, router, shutdown.clone()));
        let mut edges = Vec::new();
        for (name, listener) in self.regions {
            let region = Region::new(name, origin.clone(), &Settings::default());
            tasks.spawn(serve(listener, region.router(managed.clone()), shutdown.clone()));
            edges.push(region.cache);
        }
        Servers { tasks, edges }
    }
}

async fn bind(
    Loopback(address): Loopback,
    what: String,
    flag: &'static str,
) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { address, what, flag, source })
}

/// Running servers.
pub(super) struct Servers {
    tasks: JoinSet<Result<(), ServeError>>,
    edges: Vec<EdgeCache<Arc<Origin>>>,
}

impl Servers {
    /// Waits for the end of all: of the servers first, then of what the edges do in the background.
    pub(super) async fn join(mut self) -> Result<(), ServeError> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            match ended {
                Ok(ended) => result = result.and(ended),
                Err(error) => tracing::error!(%error, "a server has ended in a panic"),
            }
        }
        for edge in &self.edges {
            edge.shutdown().await;
        }
        result
    }
}
