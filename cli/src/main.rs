//! `kubectl-kv`: parse, install signals and logs, hand over.

use std::io::IsTerminal;

use clap::Parser;
use kubectl_kv::args::{Cli, Command};
use kubectl_kv::exit::Exit;
use kubectl_kv::failure::Failure;
use kubectl_kv::{cluster, commands, dev};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Exit status after a second signal: 128 and SIGINT, as shells count.
const ABORTED: i32 = 130;
/// Exit status when the reader of standard output has gone: 128 and SIGPIPE.
const CLOSED_PIPE: u8 = 141;

#[tokio::main]
async fn main() {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("NEARKV_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let result: Result<(), Failure> = match cli.command {
        Command::Dev(args) => match end_on_signal() {
            Ok(shutdown) => dev::run(args, shutdown).await.map_err(failed),
            Err(error) => Err(Failure::new(Exit::Failure, format!("failed to listen for signals: {error}"))),
        },
        Command::Repair(args) => cluster::repair(args).await,
        // Dropped where it stands, it takes its half-written files with it.
        Command::Kv(command) => tokio::select! {
            result = commands::run(*command) => result,
            _ = tokio::signal::ctrl_c() => std::process::exit(ABORTED),
        },
    };
    // Not by returning: the runtime would wait for a thread that reads standard input, which nobody may ever close.
    std::process::exit(i32::from(told(result)));
}

/// The exit status, after the failure was told.
fn told(result: Result<(), Failure>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(failure) if failure.silent => CLOSED_PIPE,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit.code()
        }
    }
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::new(Exit::Failure, error.to_string())
}

/// Cancelled by the first SIGINT or SIGTERM; the second ends the process where it stands.
fn end_on_signal() -> std::io::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = CancellationToken::new();
    let ending = shutdown.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        ending.cancel();
        either(&mut interrupt, &mut terminate).await;
        std::process::exit(ABORTED);
    });
    Ok(shutdown)
}

async fn either(first: &mut Signal, second: &mut Signal) {
    tokio::select! {
        _ = first.recv() => {}
        _ = second.recv() => {}
    }
}
