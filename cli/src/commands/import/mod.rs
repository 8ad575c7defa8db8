//! `kubectl kv import NAME FILE`: the lines of an export, batch by batch: written, read back, compared, noted. Cut off at
//! any moment, it goes on behind the last batch that was noted.

mod batch;
mod checkpoint;
mod compare;
mod lines;

use std::path::{Path, PathBuf};

use clap::Args;
use nearkv::http::Client;
use nearkv::{Key, Kv, ListOptions, Namespace, ReadOptions};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::reach::ServerArgs;
use crate::terminal;
use batch::{Target, next_batch};
use checkpoint::{Checkpoint, Saved};
use compare::OriginClock;
use lines::Lines;

/// Keys that are named where the comparison found a difference. The others are counted.
const NAMED_DIFFERENCES: usize = 10;

/// `kubectl kv import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The KvNamespace. It keeps the keys that the file does not have.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The lines of an export; `-` is standard input, which cannot be resumed.
    pub file: PathBuf,

    /// Do not read back what was written.
    #[arg(long)]
    pub no_verify: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// What came of it.
#[derive(Debug, Default)]
struct Totals {
    written: u64,
    unchanged: u64,
    ended: u64,
    differing: Vec<Key>,
}

/// Imports the lines.
///
/// # Errors
/// A line that is none, exit 5, with its number; those of the server; exit 9 where something else was read back. What was
/// written before stays, and the next call goes on behind it.
pub async fn run(args: ImportArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let namespace = reached.namespace(&args.name)?;
    let client = reached.client.clone();
    let (clock, incarnation) = look(&client, &namespace).await?;
    let checkpoint = (args.file != Path::new("-")).then(|| Checkpoint::beside(&args.file, &namespace));
    let (mut lines, resumed) = start(&args.file, checkpoint.as_ref(), &incarnation).await?;

    let target = Target { client, namespace: namespace.clone(), verify: !args.no_verify };
    let progress = Progress::of_bytes(lines.total(), format!("import into {namespace}:"));
    let mut totals = Totals::default();
    while let Some(batch) = next_batch(&mut lines, &clock).await? {
        target.import(batch, &mut totals).await.map_err(|failure| resumable(failure, checkpoint.as_ref()))?;
        progress.set(lines.bytes());
        if let Some(checkpoint) = &checkpoint {
            let saved =
                Saved { incarnation: incarnation.clone(), bytes: lines.bytes(), sha256: lines.digest() };
            checkpoint.save(&saved)?;
        }
    }
    drop(progress);
    if let Some(checkpoint) = &checkpoint {
        checkpoint.remove()?;
    }
    reached.end().await;
    report(&totals, &namespace, resumed, args.no_verify)
}

/// The origin's clock, and which life of the KvNamespace's data this is.
async fn look(client: &Client, namespace: &Namespace) -> Result<(OriginClock, String), Failure> {
    let read = ReadOptions { from_origin: true, ..ReadOptions::default() };
    let options = ListOptions { limit: Some(1), read, ..ListOptions::default() };
    let answer = client.list(namespace, &options).await;
    let state = answer.map_err(|error| Failure::server(&format!("look at {namespace}"), &error))?.state;
    Ok((OriginClock::showing(state.time), state.version.incarnation.to_string()))
}

/// The lines that are to be imported, and whether that is not all of them.
async fn start(
    file: &Path,
    checkpoint: Option<&Checkpoint>,
    incarnation: &str,
) -> Result<(Lines, bool), Failure> {
    let saved = match checkpoint {
        Some(checkpoint) => checkpoint.load()?.filter(|saved| saved.incarnation == incarnation),
        None => None,
    };
    let mut lines = Lines::open(file).await?;
    let Some(saved) = saved else { return Ok((lines, false)) };
    if lines.skip(saved.bytes).await? && lines.digest() == saved.sha256 {
        terminal::note(&format!("goes on behind line {}, where it was cut off", lines.number()));
        return Ok((lines, true));
    }
    terminal::note(&format!("{} is another file than before: starts with its first line", file.display()));
    Ok((Lines::open(file).await?, false))
}

fn resumable(failure: Failure, checkpoint: Option<&Checkpoint>) -> Failure {
    match (checkpoint, &failure.advice) {
        (Some(_), None) => failure.with_advice("the same command goes on where this one ended"),
        (Some(_), Some(advice)) => {
            let advice = format!("{advice}; the same command goes on where this one ended");
            failure.with_advice(advice)
        }
        (None, _) => failure,
    }
}

fn report(totals: &Totals, namespace: &Namespace, resumed: bool, unverified: bool) -> Result<(), Failure> {
    let Totals { written, unchanged, ended, differing } = totals;
    let mut text = format!("{written} keys imported into {namespace}");
    if *unchanged > 0 {
        text.push_str(&format!(", {unchanged} were there already"));
    }
    if *ended > 0 {
        text.push_str(&format!(", {ended} left out that have ended or soon will"));
    }
    if resumed {
        text.push_str(", besides those of the run before");
    }
    if !differing.is_empty() {
        let named: Vec<&str> = differing.iter().take(NAMED_DIFFERENCES).map(Key::as_str).collect();
        return Err(Failure::new(
            Exit::Differs,
            format!("{text}; {} read back otherwise than they were written: {named:?}", differing.len()),
        )
        .with_advice("does somebody else write these keys? `kubectl kv get` shows what is there"));
    }
    terminal::say(&format!("{text}{}", if unverified { "" } else { ", read back and compared" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_back_otherwise_has_an_exit_code_of_its_own() {
        let namespace = Namespace::new("team-a", "settings").unwrap();
        let differing: Vec<Key> = (0..12).map(|n| Key::new(&format!("k{n}")).unwrap()).collect();
        let totals = Totals { written: 20, differing, ..Totals::default() };
        let failure = report(&totals, &namespace, false, false).unwrap_err();
        assert_eq!(failure.exit, Exit::Differs);
        assert!(
            failure.message.contains("12 read back otherwise than they were written: [\"k0\""),
            "{failure}"
        );
        assert!(!failure.message.contains("k10"), "only the first are named: {failure}");
    }
}
