//! Goes from an earlier version to this one and back under load, one replica at a time, on a real control plane:
//! `cargo run -p nearkv-tests --bin upgrade -- --old FOLDER`. tests/README.md says how the binaries of the earlier version
//! come into the folder. It is a program and no test: CI has no earlier binaries.

mod arguments;
mod fleet;
mod journey;
mod load;
mod progress;
mod retained;
mod service;
mod settings;
mod traffic;
mod version;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use nearkv_tests::folders;

use crate::arguments::Arguments;
use crate::journey::Journey;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("upgrade: {error:?}");
            // The logs say what the servers did; without them a failure cannot be explained.
            match folders::keep_run_folder().and_then(|()| folders::run_folder()) {
                Ok(folder) => eprintln!("upgrade: the logs are in {}", folder.display()),
                Err(error) => eprintln!("upgrade: the logs are lost: {error:?}"),
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> nearkv_tests::Result<()> {
    let least = arguments.least();
    let mut journey = Journey::begin(arguments.versions()?, least).await?;
    journey.there_and_back().await?;
    journey.end().await
}
