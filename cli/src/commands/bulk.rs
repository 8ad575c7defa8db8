//! `kubectl kv bulk put|get|delete NAME FILE`: many keys at once, in wrangler's file format. A put or delete becomes
//! visible by one swap, whatever the size of the file: all of it or nothing.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use futures::{StreamExt, TryStreamExt};
use nearkv::{DeleteOptions, Error, Key, Kv, Mutation};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::entries::{self, Stored};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::json_array::{Elements, elements};
use crate::pair::Pair;
use crate::progress::Progress;
use crate::reach::ServerArgs;
use crate::sink::Sink;
use crate::terminal;

/// `kubectl kv bulk`.
#[derive(Debug, Subcommand)]
pub enum BulkCommand {
    /// Write the pairs of a file: [{"key", "value", "base64"?, "expiration"?, "expiration_ttl"?, "metadata"?}, …]. All
    /// of them or none; of a key that stands there twice, the last.
    Put(BulkArgs),
    /// Print the values of the keys of a file, ["key", …] or [{"name": "key"}, …], as a JSON object; null is none.
    Get(BulkGetArgs),
    /// Delete the keys of a file, ["key", …] or [{"name": "key"}, …]. All of them or none. Does not ask.
    Delete(BulkArgs),
}

/// What they have in common.
#[derive(Debug, Args)]
pub struct BulkArgs {
    /// The KvNamespace.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The file; `-` is standard input.
    pub file: PathBuf,

    #[command(flatten)]
    server: ServerArgs,
}

/// `kubectl kv bulk get`.
#[derive(Debug, Args)]
pub struct BulkGetArgs {
    #[command(flatten)]
    bulk: BulkArgs,

    /// Print {"value", "metadata", "expiration"?} in place of each value.
    #[arg(long)]
    pub metadata: bool,
}

/// A key as lists name it: wrangler's `kv key list` prints the second form.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Plain(Key),
    Listed { name: Key },
}

impl From<Name> for Key {
    fn from(name: Name) -> Self {
        match name {
            Name::Plain(key) | Name::Listed { name: key } => key,
        }
    }
}

/// Executes one of them.
///
/// # Errors
/// A file that is not in the format, exit 5, with its place; those of the server. A refused write has changed nothing.
pub async fn run(command: BulkCommand) -> Result<(), Failure> {
    match command {
        BulkCommand::Put(args) => {
            let pairs = elements::<Pair>(&args.file)?;
            write(&args, pairs.map_ok(Pair::into_mutation).boxed(), "put").await
        }
        BulkCommand::Delete(args) => {
            let keys = elements::<Name>(&args.file)?;
            let delete =
                |name: Name| Mutation::Delete { key: name.into(), options: DeleteOptions::default() };
            write(&args, keys.map_ok(delete).boxed(), "deleted").await
        }
        BulkCommand::Get(args) => get(&args).await,
    }
}

async fn write(args: &BulkArgs, mutations: Elements<Mutation>, done: &str) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let namespace = reached.namespace(&args.name)?;
    let progress = Progress::of_keys(namespace.to_string());
    let mut count = 0;
    let counted = mutations.inspect_ok(move |_| {
        count += 1;
        progress.set(count);
    });
    let answer = reached.client.write_many(&namespace, counted.boxed()).await;
    let outcome = answer.map_err(|error| failed(&format!("write to {namespace}"), &error))?.body;
    terminal::say(&format!("{} keys of {namespace} {done}", outcome.mutations))?;
    reached.end().await;
    Ok(())
}

fn failed(action: &str, error: &Error) -> Failure {
    Failure::server(action, error)
}

async fn get(args: &BulkGetArgs) -> Result<(), Failure> {
    let reached = args.bulk.server.reach().await?;
    let namespace = reached.namespace(&args.bulk.name)?;
    let keys = elements::<Name>(&args.bulk.file)?
        .map(|name| name.map(Key::from).map_err(|error| Failure::new(Exit::Refused, error.to_string())));
    let mut entries = entries::read(reached.client.clone(), namespace, keys.boxed(), None);
    let mut sink = Sink::open(None)?;
    let mut separator = "{\n  ";
    while let Some((key, stored)) = entries.try_next().await? {
        let member = format!("{separator}{}: {}", json!(key), shown(stored, args.metadata));
        sink.write(member.as_bytes())?;
        separator = ",\n  ";
    }
    sink.write(if separator.starts_with('{') { b"{}\n" } else { b"\n}\n" })?;
    sink.finish()?;
    reached.end().await;
    Ok(())
}

/// As the bulk get of the REST API shows a value: text, in which what is no UTF-8 is replaced.
fn shown(stored: Option<Stored>, with_metadata: bool) -> Value {
    let Some(Stored { value, expiration, metadata }) = stored else { return Value::Null };
    let value = String::from_utf8_lossy(&value).into_owned();
    if !with_metadata {
        return value.into();
    }
    let metadata = metadata.and_then(|text| serde_json::from_str(text.as_str()).ok());
    let mut shown = json!({"value": value, "metadata": metadata.unwrap_or(Value::Null)});
    if let Some(expiration) = expiration {
        shown["expiration"] = expiration.0.into();
    }
    shown
}

#[cfg(test)]
mod tests {
    use nearkv::{Expiration, Metadata};

    use super::*;

    #[test]
    fn keys_are_named_plainly_or_as_a_list_names_them() {
        let names: Vec<Name> = serde_json::from_str(r#"["a", {"name":"b","expiration":1}]"#).unwrap();
        let keys: Vec<Key> = names.into_iter().map(Key::from).collect();
        assert_eq!(keys, [Key::new("a").unwrap(), Key::new("b").unwrap()]);
    }

    #[test]
    fn a_value_is_shown_as_the_rest_api_shows_it() {
        let stored = Stored {
            value: b"a\xff"[..].into(),
            expiration: Some(Expiration(7)),
            metadata: Metadata::parse("[1]").unwrap(),
        };
        assert_eq!(shown(Some(stored.clone()), false), json!("a\u{fffd}"));
        assert_eq!(
            shown(Some(stored), true),
            json!({"value": "a\u{fffd}", "metadata": [1], "expiration": 7})
        );
        assert_eq!(shown(None, true), Value::Null);
    }
}
