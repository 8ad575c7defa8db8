//! `kubectl kv put NAME KEY [VALUE]`: writes an entry, from the command line, a file or standard input.

use std::path::PathBuf;

use clap::Args;
use nearkv::{Condition, Key, Kv, PutOptions};

use super::{GivenMetadata, named};
use crate::failure::Failure;
use crate::reach::ServerArgs;
use crate::{source, terminal};

/// `kubectl kv put`.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The KvNamespace.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The key.
    #[arg(value_parser = super::key)]
    pub key: Key,

    /// The value. Without it and --path it is read from standard input. One that starts with a dash comes after `--`.
    #[arg(conflicts_with = "path")]
    pub value: Option<String>,

    /// Take the value from a file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub path: Option<PathBuf>,

    /// The entry ends after so many seconds: at least 60, or what the KvNamespace allows.
    #[arg(long, value_name = "SECONDS", conflicts_with = "expiration", allow_negative_numbers = true)]
    pub ttl: Option<i64>,

    /// The entry ends at this second since 1970.
    #[arg(long, value_name = "SECOND", allow_negative_numbers = true)]
    pub expiration: Option<i64>,

    /// A JSON value of at most 1024 bytes that is kept beside the value.
    #[arg(long, value_name = "JSON", value_parser = super::metadata)]
    pub metadata: Option<GivenMetadata>,

    /// Write only if the key has this version now (`get --details` shows it); `*` is any. Otherwise exit 6.
    #[arg(long, value_name = "VERSION", value_parser = super::if_match, conflicts_with = "if_absent")]
    pub if_match: Option<Condition>,

    /// Write only if there is no such key. Otherwise exit 6.
    #[arg(long)]
    pub if_absent: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// Writes the entry.
///
/// # Errors
/// Those of the server; exit 8 where the write may or may not have been done.
pub async fn run(args: PutArgs) -> Result<(), Failure> {
    let PutArgs { name, key, value, path, ttl, expiration, metadata, if_match, if_absent, server } = args;
    let value = source::value(value, path.as_deref()).await?;
    let reached = server.reach().await?;
    let namespace = reached.namespace(&name)?;
    let options = PutOptions {
        expiration: super::expiration(expiration, ttl),
        metadata: metadata.and_then(|GivenMetadata(metadata)| metadata),
        condition: if if_absent { Some(Condition::Absent) } else { if_match },
    };
    let answer = reached.client.put(&namespace, &key, value, &options).await;
    let answer =
        answer.map_err(|error| Failure::server(&format!("put {}", named(&key, &namespace)), &error))?;
    terminal::say(&format!("{namespace} {:?} put (version {})", key.as_str(), answer.body))?;
    reached.end().await;
    Ok(())
}
