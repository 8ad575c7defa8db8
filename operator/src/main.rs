//! `nearkv-operator`: reads the command line, installs what is global to a process, and hands over.

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use nearkv_operator::{
    api::crd_yaml,
    cli::{Cli, Command, LogFormat, RunArgs},
    serve,
};
use tracing_subscriber::EnvFilter;

/// Every put makes and drops a dozen small allocations on whichever thread it lands: that is what it is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().what() {
        Command::Crd => crd_yaml().map(|yaml| print!("{yaml}")).map_err(Into::into),
        Command::Run(args) => run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nearkv-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs) -> Result<(), Box<dyn std::error::Error>> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&args.log)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match args.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    // More than one provider is compiled in by dependencies; kube needs one to be chosen.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a crypto provider was installed before");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(serve::run(args))?)
}
