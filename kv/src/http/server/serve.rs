//! The data and the admin listener: HTTP/1.1 and h2 on one port, plain or over TLS, and an end in
//! bounded time.

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
/// of several KiB, so that too long ones are answered with 413 and not with a reset (contract §1.6).
const MAX_HEADER_BYTES: u32 = 64 * 1024;
/// Read buffer of an HTTP/1.1 connection: holds the header block, and chunks of bodies.
const MAX_BUFFER_BYTES: usize = 128 * 1024;
/// What an h2 stream may have in flight: a slow reader of one value must not stop the others.
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
/// What all streams of an h2 connection may have in flight.
const H2_CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// How long requests in flight may take to end after shutdown was asked for; Kubernetes kills after 30 s.
const DRAIN: Duration = Duration::from_secs(20);
/// Longest TLS handshake: a client on a bad line needs a few round trips.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which is nearly always the lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a listener ended before it was asked to.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The listening socket is unusable.
    #[error("failed to serve: the listener has no address")]
    Listener(#[source] io::Error),
}

/// Serves `router` until `shutdown`: then takes no more connections, ends idle ones, lets requests in flight
/// end for at most 20 s, and drops the rest. All its tasks have ended when it returns.
///
/// # Errors
/// [`ServeError`] if the listener is no bound socket.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    serve_with_farewell(listener, router, None, shutdown.clone(), shutdown).await
}

/// As [`serve`], over TLS if it is given, and with time to part: between `leaving` and `shutdown` connections are still
/// taken, and every answer asks its client to connect anew for the next request (`Connection: close`, RFC 9112 §9.6).
///
/// A listener that closes idle HTTP/1.1 connections may close one on which a request is just arriving, and that
/// request fails. Clients that were asked before have left by themselves; HTTP/2 has its own farewell for it.
///
/// # Errors
/// As for [`serve`].
pub async fn serve_with_farewell(
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    leaving: CancellationToken,
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
        let talk = Talk {
            builder: builder.clone(),
            watcher: graceful.watcher(),
            router: router.clone(),
            leaving: leaving.clone(),
        };
        match &tls {
            None => connections.spawn(talk.converse(stream)),
            Some(tls) => connections.spawn(talk.converse_secretly(stream, tls.clone())),
        };
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
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

/// One connection's share of the server.
struct Talk {
    builder: auto::Builder<TokioExecutor>,
    watcher: Watcher,
    router: Router,
    leaving: CancellationToken,
}

impl Talk {
    async fn converse<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Talk { builder, watcher, router, leaving } = self;
        let service = TowerToHyperService::new(MapResponse::new(router, move |mut answer: Response| {
            if leaving.is_cancelled() {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        // A client that goes away, and an answer that had to be aborted, are no events.
        if let Err(error) = remembering_token(watcher.watch(connection)).await {
            tracing::debug!(error, "connection ended");
        }
    }

    async fn converse_secretly(self, stream: TcpStream, tls: Tls) {
        match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.converse(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }
}
