//! `kubectl kv export NAME`: every entry as a line of JSON, in the order of lists, as it streams.

use std::path::PathBuf;

use clap::Args;
use futures::TryStreamExt;
use nearkv::Prefix;

use crate::entries::{self, Stored};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::pair::Pair;
use crate::progress::Progress;
use crate::reach::ServerArgs;
use crate::sink::Sink;
use crate::terminal;

/// `kubectl kv export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The KvNamespace.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Only keys that start with this.
    #[arg(long, value_parser = super::prefix, default_value = "", hide_default_value = true)]
    pub prefix: Prefix,

    /// Write into a file, which is replaced only once everything is there. Default: standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    #[command(flatten)]
    server: ServerArgs,
}

/// Exports the entries. What is written meanwhile may or may not be among them; what is deleted meanwhile is left out.
///
/// # Errors
/// Those of the server; then a file that was there is as it was.
pub async fn run(args: ExportArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let namespace = reached.namespace(&args.name)?;
    let keys = entries::keys(reached.client.clone(), namespace.clone(), args.prefix);
    let mut entries = entries::read(reached.client.clone(), namespace.clone(), keys, None);
    let mut sink = Sink::open(args.output.as_deref())?;
    let progress = Progress::of_keys(format!("export of {namespace}:"));
    let mut count = 0;
    while let Some((key, stored)) = entries.try_next().await? {
        let Some(Stored { value, expiration, metadata }) = stored else { continue };
        let line = Pair::of(key, value, expiration, metadata).line();
        sink.write(&line.map_err(|error| Failure::new(Exit::Failure, error.to_string()))?)?;
        count += 1;
        progress.set(count);
    }
    sink.finish()?;
    drop(progress);
    terminal::note(&format!("{count} keys of {namespace} exported"));
    reached.end().await;
    Ok(())
}
