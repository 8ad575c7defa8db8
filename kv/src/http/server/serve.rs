//! The accept loop of the data and of the admin listener. It serves HTTP/1.1 and HTTP/2 on one port, plain or over TLS,
//! and shuts down in bounded time: it asks clients to reconnect elsewhere, drains, and drops what is left.

use std::{io, time::Duration};

use axum::{Router, response::Response};
use http::{HeaderValue, header};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::util::MapResponse;

use super::tls::Tls;
use crate::access::remembering_token;

/// Longest header block: a key of 512 bytes, percent-encoded and repeated in `CF-KV-FLPROD-405`, and metadata
/// of several KiB, so that the server answers longer ones with 413 and not with a reset (contract §1.6).
const MAX_HEADER_BYTES: u32 = 64 * 1024;
/// Read buffer of an HTTP/1.1 connection, for the header block and chunks of bodies.
const MAX_BUFFER_BYTES: usize = 128 * 1024;
/// Bytes an HTTP/2 stream may have in flight: a slow reader of one value must not stop the others.
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
/// Bytes all streams of an HTTP/2 connection may have in flight.
const H2_CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Longest time requests in flight may take after the shutdown began. Kubernetes kills after 30 s.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest TLS handshake: a client on a bad line needs a few round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept. The usual cause is a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a listener ended before its shutdown.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The listening socket is unusable.
    #[error("failed to serve: the listener has no address")]
    Listener(#[source] io::Error),
}

/// Serves `router` until `shutdown`. Then it accepts no more connections, closes idle ones, waits at most 20 s for
/// requests in flight, and drops the rest. All its tasks have ended when it returns.
///
/// # Errors
/// [`ServeError`] if the listener is not a bound socket.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    serve_with_drain(listener, router, None, shutdown.clone(), shutdown).await
}

/// As [`serve`], over TLS if it is given, and with a phase in which clients reconnect. Between `draining` and `shutdown`
/// the listener still accepts connections, and every answer asks its client to close the connection
/// (`Connection: close`, RFC 9112 §9.6).
///
/// A listener that closes idle HTTP/1.1 connections may close one on which a request is just arriving, and that request
/// fails. A client that was asked to close has no such connection any more. HTTP/2 has GOAWAY for it.
///
/// # Errors
/// As for [`serve`].
pub async fn serve_with_drain(
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    draining: CancellationToken,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    let builder = builder();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%address, %error, "failed to accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are written in one piece; waiting for more would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "failed to set TCP_NODELAY");
        }
        let connection = Connection {
            builder: builder.clone(),
            watcher: graceful.watcher(),
            router: router.clone(),
            draining: draining.clone(),
        };
        match &tls {
            None => connections.spawn(connection.serve(stream)),
            Some(tls) => connections.spawn(connection.serve_tls(stream, tls.clone())),
        };
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!(%address, connections = connections.len(), "dropped connections that did not end");
    }
    connections.shutdown().await;
    Ok(())
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(MAX_BUFFER_BYTES);
    builder
        .http2()
        .max_header_list_size(MAX_HEADER_BYTES)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW);
    builder
}

/// What the server gives to one connection.
struct Connection {
    builder: auto::Builder<TokioExecutor>,
    watcher: Watcher,
    router: Router,
    draining: CancellationToken,
}

impl Connection {
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Connection { builder, watcher, router, draining } = self;
        let service = TowerToHyperService::new(MapResponse::new(router, move |mut answer: Response| {
            if draining.is_cancelled() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        // A client that disconnects and an aborted answer are no events.
        if let Err(error) = remembering_token(watcher.watch(connection)).await {
            tracing::debug!(error, "connection ended");
        }
    }

    async fn serve_tls(self, stream: TcpStream, tls: Tls) {
        match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }
}
