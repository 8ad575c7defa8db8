//! A port-forward as a local server: every connection to a loopback port becomes a connection to the pod, through the
//! API server. Lives as long as the command.

use std::net::{Ipv4Addr, SocketAddr};

use futures::FutureExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::service::Service;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal;

/// The listener and its connections.
#[derive(Debug)]
pub(crate) struct Tunnel {
    url: String,
    address: SocketAddr,
    end: CancellationToken,
    running: JoinHandle<()>,
}

impl Tunnel {
    /// Listens, and forwards to a ready pod of the service.
    pub(super) async fn open(service: Service) -> Result<Self, Failure> {
        let (pods, pod, port) = service.pod().await?;
        // One at once, for the first connection: that forwarding is not allowed is told here, and not as a write whose
        // outcome nobody knows.
        let first = pods.portforward(&pod, &[port]).await.map_err(|error| {
            let what =
                format!("failed to forward to port {port} of pod {pod}, behind service {}", service.name());
            Failure::new(Exit::Unreachable, format!("{what}: {error}")).with_advice(
                "you need `create` on pods/portforward there; or name a server with --server URL",
            )
        })?;
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Failure, format!("failed to listen on loopback for the port-forward: {error}"))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // By the service's name, for which the certificate is where it speaks TLS.
        let url = service.url_with(address.port().into());
        let end = CancellationToken::new();
        let running = tokio::spawn(forward(listener, first, Pods { api: pods, pod, port }, end.clone()));
        Ok(Self { url, address, end, running })
    }

    /// The URL of the service, at the port where this listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it with its connections.
    pub(crate) async fn end(self) {
        self.end.cancel();
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the port-forward has ended in a panic");
        }
    }
}

/// What is forwarded to.
#[derive(Clone)]
struct Pods {
    api: Api<Pod>,
    pod: String,
    port: u16,
}

async fn forward(listener: TcpListener, first: Portforwarder, to: Pods, end: CancellationToken) {
    let mut first = Some(first);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connect(stream, first.take(), to.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection for the port-forward");
                }
            },
        }
    }
    connections.shutdown().await;
}

/// One connection. What fails is told, and closes it.
async fn connect(mut stream: TcpStream, opened: Option<Portforwarder>, Pods { api, pod, port }: Pods) {
    let forwarder = match opened {
        Some(opened) => Ok(opened),
        None => api.portforward(&pod, &[port]).await,
    };
    let mut forwarder = match forwarder {
        Ok(forwarder) => forwarder,
        Err(error) => {
            terminal::note(&format!("warning: failed to forward to port {port} of pod {pod}: {error}"));
            return;
        }
    };
    let refused = forwarder.take_error(port);
    if let Some(mut remote) = forwarder.take_stream(port)
        && let Err(error) = copy_bidirectional(&mut stream, &mut remote).await
    {
        tracing::debug!(%error, "a forwarded connection broke off");
    }
    if let Some(error) = refused.and_then(|refused| refused.now_or_never().flatten()) {
        terminal::note(&format!("warning: port {port} of pod {pod} does not take the connection: {error}"));
    }
    forwarder.abort();
}
