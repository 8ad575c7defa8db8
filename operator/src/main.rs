//! `nearkv-operator`: reads the command line, installs what is global to a process, and hands over.

use std::process::ExitCode;

use clap::Parser;
use nearkv::{do_without_huge_pages, telemetry::Telemetry};
use nearkv_controller::api::crd_yaml;
use nearkv_operator::{
    cli::{Cli, Command, RunArgs},
    serve,
};

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
    do_without_huge_pages();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // More than one provider is compiled in by dependencies; kube needs one to be chosen.
        let chosen = rustls::crypto::ring::default_provider().install_default();
        let telemetry = Telemetry::install(&args.telemetry, "nearkv-operator")?;
        if chosen.is_err() {
            tracing::debug!("a crypto provider was installed before");
        }
        let ended = serve::run(args, telemetry.log()).await;
        telemetry.shutdown().await;
        Ok(ended?)
    })
}
