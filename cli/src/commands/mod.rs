//! The commands that talk to a server, one file each: its arguments, and what it does. What they share stands beside
//! them: the server in `reach`, formats in `formats`, files in `sink` and `source`.

pub mod binding;
pub mod bulk;
pub mod completion;
pub mod delete;
pub mod export;
pub mod get;
pub mod import;
pub mod list;
pub mod namespace;
pub mod put;

use clap::Subcommand;
use nearkv::{Condition, ExpirationRequest, Key, Metadata, Namespace, Prefix};

use crate::failure::Failure;

/// The commands of this module.
#[derive(Debug, Subcommand)]
pub enum KvCommand {
    /// Create, list, rename and delete KvNamespaces.
    #[command(subcommand, arg_required_else_help = true)]
    Namespace(namespace::NamespaceCommand),
    /// Print the value of a key.
    Get(get::GetArgs),
    /// Write a key: from the command line, a file, or standard input.
    Put(put::PutArgs),
    /// Delete keys, or all keys with a prefix.
    Delete(delete::DeleteArgs),
    /// List keys with their expiration and metadata.
    List(list::ListArgs),
    /// Write, read or delete many keys, in wrangler's file format.
    #[command(subcommand, arg_required_else_help = true)]
    Bulk(bulk::BulkCommand),
    /// Print every entry as a line of JSON, with metadata and expiration.
    Export(export::ExportArgs),
    /// Write the lines of an export, read them back and compare. Cut off, it goes on where it ended.
    Import(import::ImportArgs),
    /// Print what to paste so that a Worker, wrangler or a program uses a KvNamespace.
    Binding(binding::BindingArgs),
    /// Print what makes a shell complete these commands.
    Completion(completion::CompletionArgs),
}

/// Executes a command.
///
/// # Errors
/// What failed, with its exit code.
pub async fn run(command: KvCommand) -> Result<(), Failure> {
    match command {
        KvCommand::Namespace(command) => namespace::run(command).await,
        KvCommand::Get(args) => get::run(args).await,
        KvCommand::Put(args) => put::run(args).await,
        KvCommand::Delete(args) => delete::run(args).await,
        KvCommand::List(args) => list::run(args).await,
        KvCommand::Bulk(command) => bulk::run(command).await,
        KvCommand::Export(args) => export::run(args).await,
        KvCommand::Import(args) => import::run(args).await,
        KvCommand::Binding(args) => binding::run(args).await,
        KvCommand::Completion(args) => completion::run(&args),
    }
}

/// A key of the command line.
pub(crate) fn key(text: &str) -> Result<Key, String> {
    Key::new(text).map_err(|error| error.to_string())
}

/// A prefix of the command line.
pub(crate) fn prefix(text: &str) -> Result<Prefix, String> {
    Prefix::new(text).map_err(|error| error.to_string())
}

/// Metadata of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenMetadata(pub Option<Metadata>);

/// Metadata of the command line: JSON. `null` is none.
pub(crate) fn metadata(text: &str) -> Result<GivenMetadata, String> {
    Metadata::parse(text)
        .map(GivenMetadata)
        .map_err(|error| format!("{error}; quote it for the shell, such as '{{\"owner\":\"web\"}}'"))
}

/// `--if-match`: `*`, or a version with or without the quotes of an entity tag.
pub(crate) fn if_match(text: &str) -> Result<Condition, String> {
    if text == "*" {
        return Ok(Condition::Exists);
    }
    let version = text.trim_matches('"').parse();
    version
        .map(|version| Condition::Versions(vec![version]))
        .map_err(|error: nearkv::Error| error.to_string())
}

/// When an entry shall end, of the two flags of which at most one is given.
pub(crate) fn expiration(at: Option<i64>, ttl: Option<i64>) -> Option<ExpirationRequest> {
    ExpirationRequest::of(at, ttl)
}

/// How messages name a key.
pub(crate) fn named(key: &Key, namespace: &Namespace) -> String {
    format!("key {:?} of {namespace}", key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_names_a_version_as_it_is_shown_anywhere() {
        let shown = "00000000000000ab.17";
        let condition = Condition::Versions(vec![shown.parse().unwrap()]);
        assert_eq!(if_match(shown).unwrap(), condition);
        assert_eq!(if_match(&format!("\"{shown}\"")).unwrap(), condition);
        assert_eq!(if_match("*").unwrap(), Condition::Exists);
        assert!(if_match("17").unwrap_err().contains("Malformed version"));
    }

    #[test]
    fn keys_and_metadata_are_refused_before_anything_is_sent() {
        assert_eq!(key("..").unwrap_err(), "Illegal key name \"..\". Please use a different name.");
        assert!(metadata("{owner: web}").unwrap_err().starts_with("Metadata must be valid JSON; quote it"));
        assert_eq!(metadata("null").unwrap(), GivenMetadata(None));
    }
}
