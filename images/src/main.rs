//! `nearkv-images`: reads the command line and hands over to the library.

use std::process::ExitCode;

use clap::Parser;
use nearkv_images::{Args, run};

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nearkv-images: {error}");
            ExitCode::FAILURE
        }
    }
}
