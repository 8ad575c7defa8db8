//! What a write costs, on a real control plane with an etcd of its own and fsync on, over 100,000 keys: puts
//! per second beside one ConfigMap update per put, writes and bytes to the API server, etcd's file, a bulk put,
//! and the start of an origin.
//!
//! `cargo bench -p nearkv-tests --profile dist --bench origin [-- --clients 32,128]`; more than three hours, nearly all of them for the
//! checkpoints of one client, and 20 minutes without that. Figures: `docs/performance.md`.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on ends, and says where")]

mod bulk;
mod config_maps;
mod filling;
mod puts;
mod run;
mod start_up;

use std::time::Duration;

use clap::Parser;
use nearkv_tests::error::HarnessError;

use puts::{Keys, Length};
use run::{KEYS, Pacing, Run, VALUE_BYTES};

type Result<T, E = HarnessError> = std::result::Result<T, E>;

/// How the benchmark runs.
#[derive(Parser)]
struct Arguments {
    /// Seconds per measurement, at least.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Checkpoints per measurement, at least.
    #[arg(long, default_value_t = 2)]
    checkpoints: usize,
    /// Seconds per measurement, at most.
    #[arg(long, default_value_t = 2 * 3600)]
    most_seconds: u64,
    /// How many clients put at a time, in one measurement after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 128])]
    clients: Vec<usize>,
    /// Only with this pacing.
    #[arg(long)]
    pacing: Option<Pacing>,
    /// Only with these keys.
    #[arg(long)]
    keys: Option<Keys>,
    /// Given by `cargo bench`; nothing depends on it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments {
        seconds,
        checkpoints,
        most_seconds,
        clients,
        pacing: only_pacing,
        keys: only_keys,
        bench: _,
    } = Arguments::parse();
    let least = Duration::from_secs(seconds);
    let length = Length { least, checkpoints, most: Duration::from_secs(most_seconds) };
    println!(
        "{VALUE_BYTES}-byte values over {KEYS} keys, etcd with fsync, {seconds} s and {checkpoints} checkpoints each"
    );
    for pacing in Pacing::ALL.into_iter().filter(|pacing| only_pacing.is_none_or(|only| only == *pacing)) {
        for &clients in &clients {
            for keys in Keys::ALL.into_iter().filter(|keys| only_keys.is_none_or(|only| only == *keys)) {
                // A control plane for each, so that none pays for deleting what another has left.
                let run = Run::start(pacing).await?;
                let updates = run.config_maps(clients, least / 3).await?;
                let puts = run.puts(keys, clients, length).await?;
                println!("  {:.1} puts per ConfigMap update", puts / updates);
            }
        }
        let run = Run::start(pacing).await?;
        run.bulk().await?;
        run.start_up().await?;
    }
    Ok(())
}
