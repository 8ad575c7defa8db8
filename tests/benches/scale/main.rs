//! What many idle KvNamespaces cost, on a real control plane with an etcd of its own: the start of two operators, their
//! memory, what they ask the API server while nothing is read or written, and the processor time of both sides.
//!
//! `cargo bench -p nearkv-tests --profile dist --bench scale [-- --kvnamespaces 1,100]`; about 20 minutes, most of them to
//! make the KvNamespaces. Figures: `docs/performance.md`.

mod idle;
mod making;

use std::time::Duration;

use clap::Parser;
use nearkv_tests::error::HarnessError;

type Result<T, E = HarnessError> = std::result::Result<T, E>;

/// How the benchmark runs.
#[derive(Parser)]
struct Arguments {
    /// How many KvNamespaces there are, in one measurement after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1000, 5000])]
    kvnamespaces: Vec<usize>,
    /// Seconds from the start of the operators to the measurement of what they ask: their first inventories lie in them.
    #[arg(long, default_value_t = 60)]
    settle: u64,
    /// Seconds of a measurement: a few inventories.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// Given by `cargo bench`; nothing depends on it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { kvnamespaces, settle, seconds, bench: _ } = Arguments::parse();
    println!(
        "two operators with default flags, KvNamespaces of one key in one Kubernetes namespace, {seconds} s"
    );
    for number in kvnamespaces {
        let made = making::make(number).await?;
        idle::measure(&made, Duration::from_secs(settle), Duration::from_secs(seconds)).await?;
    }
    Ok(())
}
