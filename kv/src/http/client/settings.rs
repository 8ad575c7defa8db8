//! How a client connects, and what it waits for.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use reqwest::{Url, redirect::Policy};
use thiserror::Error;

use super::trust;

/// Idle connections that are kept for the next request.
const IDLE_CONNECTIONS: usize = 64;
/// How long an idle connection is kept. Below the usual 60 s and more of servers and load balancers, so that
/// a request is rarely sent on a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(30);
/// Headers of an answer: the largest metadata, and some.
const H2_MAX_HEADER_BYTES: u32 = 64 * 1024;
/// What one h2 answer may have in flight.
const H2_STREAM_WINDOW: u32 = 1024 * 1024;
/// What all answers of an h2 connection may have in flight: so many slow readers of large values that they
/// do not stop the others.
const H2_CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;

/// Which HTTP is spoken to an `http://` upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with keep-alive.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge: one connection for all requests.
    H2c,
}

/// Settings of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// Which HTTP is spoken.
    pub protocol: Protocol,
    /// Longest time to make a connection.
    pub connect_timeout: Duration,
    /// Longest time without any progress: until an answer begins, between two pieces of a body.
    pub read_timeout: Duration,
    /// For `https`: a file with the authorities that are trusted, read again when it is replaced. `None` trusts those of
    /// the system.
    pub ca_file: Option<PathBuf>,
    /// Where the host of the base is, in place of what DNS says: at the near end of a port-forward, whose far end has a
    /// certificate for the Service's name.
    pub address: Option<SocketAddr>,
}

impl Default for ClientSettings {
    /// HTTP/1.1, 1 s to connect, 15 s to read: more than the 10 s after which an origin answers that a write could not
    /// be committed in time. A client that gave up first would have to call the outcome unknown.
    fn default() -> Self {
        Self {
            protocol: Protocol::Http1,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(15),
            ca_file: None,
            address: None,
        }
    }
}

/// Why a client cannot be made.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The base is no URL of a server.
    #[error("{0:?} is no URL of a nearkv server; please give one like http://127.0.0.1:8700")]
    Base(String),
    /// The authorities that are to be trusted cannot be read.
    #[error("failed to read the authorities to be trusted from {path}; certificates as PEM are needed")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection pool cannot be set up.
    #[error("failed to set up the HTTP client")]
    Setup(#[source] reqwest::Error),
}

impl ClientSettings {
    /// The client of an upstream at `base`.
    pub(super) fn build(&self, base: &str) -> Result<reqwest::Client, ClientError> {
        // TLS needs a process-wide provider of cryptography; if there is one already, it is kept.
        let _kept = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            // A redirect of a write would send it twice, and no nearkv server redirects.
            .redirect(Policy::none())
            // Proxies from the environment are for the world outside; upstreams are named explicitly.
            .no_proxy()
            // A request that may have been sent is never sent again.
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        // Nothing of a plain upstream is verified, and an image FROM scratch has no certificates: to load the system's
        // would fail there.
        let builder = if base.starts_with("http://") { builder.tls_certs_only([]) } else { builder };
        let builder = match self.protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::H2c => builder
                .http2_prior_knowledge()
                .http2_max_header_list_size(H2_MAX_HEADER_BYTES)
                .http2_initial_stream_window_size(H2_STREAM_WINDOW)
                .http2_initial_connection_window_size(H2_CONNECTION_WINDOW),
        };
        let builder = match &self.ca_file {
            Some(path) => builder.tls_backend_preconfigured(trust::config(path, self.protocol)?),
            None => builder,
        };
        let host = Url::parse(base).ok().and_then(|url| url.host_str().map(str::to_owned));
        let builder = match (host, self.address) {
            (Some(host), Some(address)) => builder.resolve(&host, address),
            _ => builder,
        };
        builder.build().map_err(ClientError::Setup)
    }
}

/// The base without its trailing slash, so that paths can be appended to it.
pub(super) fn base(given: &str) -> Result<String, ClientError> {
    let malformed = || ClientError::Base(given.to_owned());
    let url = Url::parse(given).map_err(|_| malformed())?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.has_host();
    if !plain || !matches!(url.scheme(), "http" | "https") {
        return Err(malformed());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
