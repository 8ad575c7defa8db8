//! A port-forward as a local server: every connection to a loopback port becomes a connection to the pod, through the
//! API server. Lives as long as the command.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::cluster::Service;
use crate::exit::Exit;
use crate::failure::Failure;

/// The listener and its connections.
#[derive(Debug)]
pub(super) struct Tunnel {
    url: String,
    end: CancellationToken,
    running: JoinHandle<()>,
}

impl Tunnel {
    /// Listens, and forwards to a ready pod of the service.
    pub(super) async fn open(service: Service) -> Result<Self, Failure> {
        let (pods, pod, port) = service.pod().await?;
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Failure, format!("failed to listen on loopback for the port-forward: {error}"))
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let end = CancellationToken::new();
        let running = tokio::spawn(forward(listener, pods, pod, port, end.clone()));
        Ok(Self { url, end, running })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Ends it with its connections.
    pub(super) async fn end(self) {
        self.end.cancel();
        if let Err(error) = self.running.await {
            tracing::error!(%error, "the port-forward has ended in a panic");
        }
    }
}

async fn forward(listener: TcpListener, pods: Api<Pod>, pod: String, port: u16, end: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = end.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connect(stream, pods.clone(), pod.clone(), port));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection for the port-forward");
                }
            },
        }
    }
    connections.shutdown().await;
}

/// One connection. What fails closes it, which its client tells as the server's absence.
async fn connect(mut stream: TcpStream, pods: Api<Pod>, pod: String, port: u16) {
    let mut forwarder = match pods.portforward(&pod, &[port]).await {
        Ok(forwarder) => forwarder,
        Err(error) => {
            eprintln!("warning: failed to forward to port {port} of pod {pod}: {error}");
            return;
        }
    };
    if let Some(mut remote) = forwarder.take_stream(port)
        && let Err(error) = copy_bidirectional(&mut stream, &mut remote).await
    {
        tracing::debug!(%error, "a forwarded connection broke off");
    }
    forwarder.abort();
}
