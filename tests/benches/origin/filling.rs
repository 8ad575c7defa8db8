//! What is there before anything is measured: every key, and a log that has nearly outgrown the pages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::try_join_all;
use nearkv_tests::bench::{Connection, closed_loops};
use nearkv_tests::nearkv::Server;
use tokio::time::sleep;

use crate::Result;
use crate::run::{KEYS, address_of, put};

/// Clients that fill the KvNamespace.
pub(crate) const FILLERS: usize = 128;
/// How many times as large as the pages the log is made: a checkpoint is due at twice.
const LONG_LOG: f64 = 1.8;
/// For so long keys are put again before the log is looked at: it grows by less than what is left until a checkpoint.
const STEP: Duration = Duration::from_millis(500);

/// What an operator reads when it starts, in bytes.
pub(crate) struct Data {
    pub(crate) log: f64,
    pub(crate) pages: f64,
}

/// Puts every key once.
pub(crate) async fn fill(address: SocketAddr, account: &str) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let fillers = (0..FILLERS).map(|_| {
        let next = Arc::clone(&next);
        async move {
            let mut connection = Connection::open(address).await?;
            loop {
                let key = next.fetch_add(1, Ordering::Relaxed);
                if key >= KEYS {
                    return Ok(());
                }
                let exchanged = connection.exchange(&put(account, key, b'0')).await;
                assert!(matches!(exchanged, Ok(200..300)), "putting key {key}: {exchanged:?}");
            }
        }
    });
    try_join_all(fillers).await.map(|_: Vec<()>| ())
}

/// Puts keys again until the next checkpoint is near.
pub(crate) async fn lengthen_the_log(server: &Server, account: &str) -> Result<Data> {
    loop {
        let metrics = server.metrics().await?;
        let gauge = |name| metrics.sum(name);
        let (log, pages) = (gauge("nearkv_kvnamespace_log_bytes")?, gauge("nearkv_kvnamespace_pages_bytes")?);
        if log >= LONG_LOG * pages {
            return Ok(Data { log, pages });
        }
        closed_loops(address_of(server), FILLERS, sleep(STEP), |client, number| {
            let key = (client as u64 * KEYS / FILLERS as u64 + number) % KEYS;
            put(account, key, b'l')
        })
        .await?;
    }
}
