//! `nearkv-edge-cache`: parses, installs the log, and hands over to the library.

use std::{error::Error as StdError, process::ExitCode};

use clap::Parser;
use nearkv::{do_without_huge_pages, telemetry::Telemetry};
use nearkv_edge_cache::{cli::Args, run::run, with_causes};

/// Half a million small values come and go on many threads: that is what it is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run_with_log(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nearkv-edge-cache: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run_with_log(args: Args) -> Result<(), Box<dyn StdError>> {
    do_without_huge_pages();
    let telemetry = Telemetry::install(&args.telemetry, "nearkv-edge-cache")?;
    let ended = run(args, telemetry.log()).await;
    telemetry.shutdown().await;
    Ok(ended?)
}
