//! What a read at the edge costs, on loopback, with the edge on one core and everything else on the other:
//! requests per second and CPU time per cached GET, without a token, with one that nobody asks for, and with one that is
//! checked, and the longest single GET while half a million entries pass their deadlines, beside the same run in which
//! none does and beside a server that does nothing.
//!
//! `cargo bench -p nearkv-tests --profile dist --bench edge`; about six minutes, `-- reads` or `-- deadlines` for one half of it.
//! Figures: `docs/performance.md`.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends, and says where")]

mod deadlines;
mod edge;
mod reads;
mod upstream;

use std::time::Duration;

use clap::{Parser, ValueEnum};
use nearkv_tests::bench::pin_this_thread;
use nearkv_tests::binaries::Binaries;
use nearkv_tests::error::HarnessError;

type Result<T, E = HarnessError> = std::result::Result<T, E>;

/// The core the edge is bound to.
const EDGE_CORE: usize = 0;
/// The core of the load and the upstream.
const LOAD_CORE: usize = 1;
/// Bytes of a value: the median object of the original (contract §4.3, 2025-08-22).
const VALUE_BYTES: usize = 288;
/// Clients at once: enough to keep one core busy.
const CLIENTS: usize = 32;
/// A time to live that ends in no run.
const FOR_EVER: Duration = Duration::from_secs(86_400);

/// How the benchmark runs.
#[derive(Parser)]
struct Arguments {
    /// Only this half of it.
    half: Option<Half>,
    /// Given by `cargo bench`; nothing depends on it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Half {
    Reads,
    Deadlines,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Arguments { half, bench: _ } = Arguments::parse();
    tokio::task::spawn_blocking(Binaries::build).await.expect("building does not panic")?;
    pin_this_thread(LOAD_CORE)?;
    println!("edge on core {EDGE_CORE}, {VALUE_BYTES}-byte values, HTTP/1.1 keep-alive on loopback");
    if half.is_none_or(|half| half == Half::Reads) {
        reads::throughput().await?;
    }
    if half.is_none_or(|half| half == Half::Deadlines) {
        deadlines::longest_gets().await?;
    }
    Ok(())
}
