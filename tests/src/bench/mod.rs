//! The load of the benchmarks: clients in closed loops over HTTP/1.1 keep-alive connections, as thin as can
//! be, because they share the machine with what they measure.

mod api_server;
mod connection;
mod cpu;

use std::net::SocketAddr;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{try_join, try_join_all};
use hdrhistogram::Histogram;
use tokio::time::Instant;

pub use api_server::{ApiServer, Requests, etcd_bytes};
pub use connection::Connection;
pub use cpu::{cpu_time, pin_this_thread, pinned};

use crate::error::Result;

/// Three significant digits: more than two runs on a shared machine agree in.
const HISTOGRAM_DIGITS: u8 = 3;

/// What some clients did in some time.
#[derive(Debug)]
pub struct Figures {
    /// Answers with a 2xx status.
    pub succeeded: u64,
    /// Answers with another status, and broken connections.
    pub failed: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From a request to its answer, in µs.
    pub latency: Histogram<u64>,
}

impl Figures {
    /// Answers with a 2xx status per second.
    pub fn rate(&self) -> f64 {
        self.succeeded as f64 / self.elapsed.as_secs_f64()
    }

    /// The time within which a share of the answers came.
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.latency.value_at_quantile(share))
    }

    /// How many answers took longer than this.
    pub fn longer_than(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.latency.len() - self.latency.count_between(0, limit)
    }

    /// The longest time of one answer.
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.latency.max())
    }
}

impl Default for Figures {
    /// Of nothing.
    fn default() -> Figures {
        Figures { succeeded: 0, failed: 0, elapsed: Duration::ZERO, latency: histogram() }
    }
}

impl AddAssign for Figures {
    /// What came after these.
    fn add_assign(&mut self, later: Figures) {
        self.succeeded += later.succeeded;
        self.failed += later.failed;
        self.elapsed += later.elapsed;
        self.latency += later.latency;
    }
}

/// Runs `clients` closed loops until `end` resolves: each sends its next request, made by `request` from the
/// client's number and the request's, when the last is answered.
pub async fn closed_loops(
    address: SocketAddr,
    clients: usize,
    end: impl Future<Output = ()>,
    request: impl Fn(usize, u64) -> Vec<u8> + Sync,
) -> Result<Figures> {
    let (start, ended) = (Instant::now(), AtomicBool::new(false));
    let loops = try_join_all((0..clients).map(|client| one_loop(address, client, &ended, &request)));
    let end = async {
        end.await;
        ended.store(true, Ordering::Relaxed);
        Ok(())
    };
    let (each, ()) = try_join(loops, end).await?;
    let mut figures = Figures::default();
    each.into_iter().for_each(|one| figures += one);
    figures.elapsed = start.elapsed();
    Ok(figures)
}

async fn one_loop(
    address: SocketAddr,
    client: usize,
    ended: &AtomicBool,
    request: &(impl Fn(usize, u64) -> Vec<u8> + Sync),
) -> Result<Figures> {
    let mut connection = Connection::open(address).await?;
    let mut figures = Figures::default();
    for number in 0.. {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let sent = Instant::now();
        match connection.exchange(&request(client, number)).await {
            Ok(200..300) => figures.succeeded += 1,
            Ok(_) => figures.failed += 1,
            Err(_) => {
                figures.failed += 1;
                connection = Connection::open(address).await?;
            }
        }
        figures.latency.saturating_record(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(figures)
}

/// From 1 µs to a minute: what takes longer counts as a minute.
#[expect(clippy::expect_used, reason = "the bounds and the number of digits are constant and valid")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, HISTOGRAM_DIGITS).expect("valid bounds")
}
