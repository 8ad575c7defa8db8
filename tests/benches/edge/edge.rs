//! The measured edge on its core, filled through its own face, and what its clients send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nearkv::http::server;
use nearkv_tests::Process;
use nearkv_tests::bench::{Connection, pinned};
use nearkv_tests::binaries::Binaries;
use nearkv_tests::folders::run_folder;
use nearkv_tests::ports::free_port;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::upstream::{Counting, everything, upstream};
use crate::{CLIENTS, EDGE_CORE, Result};

/// Characters of a token: a ServiceAccount's with the name of its pod has so many.
pub(crate) const TOKEN_BYTES: usize = 1000;

/// Whether callers are asked who they are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Callers {
    Anybody,
    /// Each shows a token as long as a ServiceAccount's, and nobody asks for it: what reading its bytes costs.
    Unasked,
    /// Each shows such a token, and it is checked.
    Bearers,
}

impl Callers {
    pub(crate) fn auth(self) -> &'static str {
        match self {
            Self::Anybody | Self::Unasked => "off",
            Self::Bearers => "on",
        }
    }

    pub(crate) fn get(self, number: u64) -> Vec<u8> {
        let authorization = match self {
            Self::Anybody => String::new(),
            Self::Unasked | Self::Bearers => format!("Authorization: Bearer {}\r\n", "t".repeat(TOKEN_BYTES)),
        };
        format!("GET /kv/bench/edge/key-{number} HTTP/1.1\r\nHost: edge\r\n{authorization}\r\n").into_bytes()
    }
}

/// An edge on its core, before an upstream of this process.
pub(crate) async fn edge(
    ttl: Duration,
    callers: Callers,
    authority: Arc<Counting>,
) -> Result<(Process, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
    let address = listener.local_addr().expect("a bound listener has an address");
    let kv = Arc::new(everything(ttl));
    tokio::spawn(server::serve(listener, upstream(kv, authority), CancellationToken::new()));
    let binaries = tokio::task::spawn_blocking(Binaries::build).await.expect("building does not panic")?;
    let (data, admin) = (free_port()?, free_port()?);
    let token = run_folder()?.join("edge-token");
    std::fs::write(&token, "the-edges-own").expect("the folder of this run is there");
    let mut edge = pinned("edge", EDGE_CORE, &binaries.edge_cache)
        .args(["--origin", &format!("http://{address}"), "--region", "bench", "--cache-size", "2Gi"])
        .args(["--auth", callers.auth(), "--origin-token-file", &token.display().to_string()])
        .args(["--listen", &format!("127.0.0.1:{data}"), "--admin-listen", &format!("127.0.0.1:{admin}")])
        .start()?;
    edge.wait_for_url(&format!("http://127.0.0.1:{admin}/readyz"), Duration::from_secs(30)).await?;
    Ok((edge, SocketAddr::from(([127, 0, 0, 1], data))))
}

/// Reads each of the first keys once, so that the edge holds them.
pub(crate) async fn fill(address: SocketAddr, keys: u64, callers: Callers) -> Result<()> {
    let each = keys / CLIENTS as u64;
    let clients = (0..CLIENTS as u64).map(|client| async move {
        let mut connection = Connection::open(address).await?;
        for number in client * each..(client + 1) * each {
            let exchanged = connection.exchange(&callers.get(number)).await;
            assert!(matches!(exchanged, Ok(200)), "filling the edge with key {number}: {exchanged:?}");
        }
        Ok(())
    });
    futures::future::try_join_all(clients).await.map(|_: Vec<()>| ())
}
