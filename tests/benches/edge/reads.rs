//! Requests per second and CPU time per cached GET: without a token, with one that nobody asks for, and with one that is
//! checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nearkv_tests::Process;
use nearkv_tests::bench::{Figures, closed_loops, cpu_time};
use tokio::time::sleep;

use crate::edge::{Callers, TOKEN_BYTES, edge, fill};
use crate::upstream::Counting;
use crate::{CLIENTS, FOR_EVER, Result};

/// Keys that the throughput is measured over: more than one, so that nothing is a single hot line.
const HOT_KEYS: u64 = 10_000;
/// For one measurement of throughput.
const MEASURED: Duration = Duration::from_secs(4);
/// As often are the edges measured by turns: what else the machine does falls on all of them.
const ROUNDS: usize = 8;

/// An edge, and what it did so far.
struct Measured {
    callers: Callers,
    authority: Arc<Counting>,
    edge: Process,
    address: SocketAddr,
    figures: Figures,
    /// CPU per request in each round, in µs.
    rounds: Vec<f64>,
}

impl Measured {
    async fn start(callers: Callers) -> Result<Self> {
        let authority = Arc::new(Counting(AtomicU64::new(0)));
        let (edge, address) = edge(FOR_EVER, callers, authority.clone()).await?;
        fill(address, HOT_KEYS, callers).await?;
        Ok(Self { callers, authority, edge, address, figures: Figures::default(), rounds: Vec::new() })
    }

    async fn go_on(&mut self) -> Result<()> {
        let before = cpu_time(self.edge.id())?;
        let figures = closed_loops(self.address, CLIENTS, sleep(MEASURED), |client, number| {
            // A stride that is coprime to the number of keys visits all of them, each client from its own start.
            self.callers.get((client as u64 * 313 + number * 7_919) % HOT_KEYS)
        })
        .await?;
        let cpu = cpu_time(self.edge.id())? - before;
        self.rounds.push(cpu.as_secs_f64() * 1e6 / figures.succeeded as f64);
        self.figures += figures;
        Ok(())
    }

    /// How much more a request costs here than there in the same round, in percent: of most rounds, since a round in
    /// which the machine was taken away says nothing.
    fn more_than(&self, other: &Measured) -> f64 {
        let ratios = self.rounds.iter().zip(&other.rounds).map(|(own, other)| own / other);
        (median(ratios.collect()) - 1.0) * 100.0
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Requests per second and CPU per request, every one a hit. The edges take turns.
pub(crate) async fn throughput() -> Result<()> {
    let mut edges = Vec::new();
    for callers in [Callers::Anybody, Callers::Unasked, Callers::Bearers] {
        edges.push(Measured::start(callers).await?);
    }
    for _ in 0..ROUNDS {
        for edge in &mut edges {
            edge.go_on().await?;
        }
    }
    let [anybody, unasked, bearers] = &edges[..] else { return Ok(()) };
    for edge in [anybody, unasked, bearers] {
        println!(
            "cached GET, {CLIENTS} clients, --auth={}, {:?}: {:.0} requests/s, {:.2} µs CPU each, p50 {:?}, p99 {:?}, {} failed, {} questions about a token",
            edge.callers.auth(),
            edge.callers,
            edge.figures.rate(),
            median(edge.rounds.clone()),
            edge.figures.quantile(0.5),
            edge.figures.quantile(0.99),
            edge.figures.failed,
            edge.authority.0.load(Ordering::Relaxed),
        );
    }
    println!(
        "a token's {TOKEN_BYTES} bytes: {:+.1} % CPU, its check: {:+.1} %",
        unasked.more_than(anybody),
        bearers.more_than(unasked),
    );
    Ok(())
}
