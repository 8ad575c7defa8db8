//! `kubectl kv get NAME KEY`: the value byte for byte, or what belongs to it.

use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;

use clap::Args;
use futures::StreamExt;
use nearkv::{Entry, GetOptions, Key, Kv, Lookup, Value};
use serde_json::json;

use super::named;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::reach::ServerArgs;
use crate::sink::Sink;

/// `kubectl kv get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// The KvNamespace.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The key.
    #[arg(value_parser = super::key)]
    pub key: Key,

    /// Print the value as text: it must be UTF-8, and ends with a line feed.
    #[arg(long, group = "what")]
    pub text: bool,

    /// Print the value as indented JSON, which it must be.
    #[arg(long, group = "what")]
    pub json: bool,

    /// Write the value into a file, which is replaced only once the value is there whole.
    #[arg(long, value_name = "FILE", group = "what")]
    pub output: Option<PathBuf>,

    /// Print the metadata in place of the value; `null` where there are none.
    #[arg(long, group = "what")]
    pub metadata: bool,

    /// Print length, version, expiration and metadata as JSON, in place of the value.
    #[arg(long, group = "what")]
    pub details: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// Reads the key.
///
/// # Errors
/// Exit 3 where there is no such key, and those of the server.
pub async fn run(args: GetArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let namespace = reached.namespace(&args.name)?;
    let action = format!("get {}", named(&args.key, &namespace));
    let answer = reached.client.get(&namespace, &args.key, &GetOptions::default()).await;
    let answer = answer.map_err(|error| Failure::server(&action, &error))?;
    let Lookup::Found(entry) = answer.body else {
        let missing = format!("there is no key {:?} in {namespace}", args.key.as_str());
        return Err(Failure::new(Exit::KeyMissing, missing));
    };
    show(&args, entry, &action).await?;
    reached.end().await;
    Ok(())
}

async fn show(args: &GetArgs, entry: Entry, action: &str) -> Result<(), Failure> {
    let text = if args.metadata {
        entry.metadata.as_ref().map_or("null", nearkv::Metadata::as_str).to_owned()
    } else if args.details {
        details(&args.key, &entry)
    } else if args.json {
        json_of(&whole(entry.value, action).await?, &args.key)?
    } else if args.text {
        text_of(&whole(entry.value, action).await?, &args.key)?
    } else if args.output.is_none() && stdout().is_terminal() {
        for_terminal(&whole(entry.value, action).await?, &args.key)?
    } else {
        return copy(entry.value, Sink::open(args.output.as_deref())?, action).await;
    };
    let line_feed = if text.ends_with('\n') { "" } else { "\n" };
    write!(stdout(), "{text}{line_feed}").map_err(|error| Failure::output(&error))
}

async fn whole(value: Value, action: &str) -> Result<Vec<u8>, Failure> {
    let bytes = value.into_bytes().await.map_err(|error| Failure::server(action, &error))?;
    Ok(bytes.into())
}

/// The value as it comes, never all of it in memory.
async fn copy(value: Value, mut sink: Sink, action: &str) -> Result<(), Failure> {
    let mut chunks = value.into_limited_stream();
    while let Some(chunk) = chunks.next().await {
        sink.write(&chunk.map_err(|error| Failure::server(action, &error))?)?;
    }
    sink.finish()
}

fn details(key: &Key, entry: &Entry) -> String {
    let metadata = entry.metadata.as_ref().and_then(|text| serde_json::from_str(text.as_str()).ok());
    let details = json!({
        "key": key,
        "bytes": entry.value.length(),
        "version": entry.version.to_string(),
        "expiration": entry.expiration,
        "metadata": metadata.unwrap_or(serde_json::Value::Null),
    });
    format!("{details:#}")
}

fn text_of(bytes: &[u8], key: &Key) -> Result<String, Failure> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|error| no_text(key, &error.to_string()))
}

fn no_text(key: &Key, why: &str) -> Failure {
    Failure::new(Exit::Refused, format!("the value of key {:?} is no text: {why}", key.as_str()))
        .with_advice("use --output FILE, or send it into a pipe")
}

fn json_of(bytes: &[u8], key: &Key) -> Result<String, Failure> {
    // Through raw text, members keep their order and numbers their digits only in the value itself; indentation is for
    // people.
    let value: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    match value {
        Ok(value) => Ok(format!("{value:#}")),
        Err(error) => Err(Failure::new(
            Exit::Refused,
            format!("the value of key {:?} is no JSON: {error}", key.as_str()),
        )
        .with_advice("without --json it is printed as it is")),
    }
}

/// Text for a person. What a terminal would obey in place of showing it is refused.
fn for_terminal(bytes: &[u8], key: &Key) -> Result<String, Failure> {
    let text = text_of(bytes, key)?;
    match text.chars().find(|c| c.is_control() && !"\n\r\t".contains(*c)) {
        Some(control) => Err(no_text(key, &format!("it holds the control character {control:?}"))),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use nearkv::{Expiration, Metadata};

    use super::*;

    fn key() -> Key {
        Key::new("k").unwrap()
    }

    #[test]
    fn a_terminal_gets_no_bytes_that_it_would_obey() {
        assert_eq!(for_terminal("é\tok\n".as_bytes(), &key()).unwrap(), "é\tok\n");
        for bad in [&b"\xff"[..], b"\x1b[2J", b"a\0"] {
            let failure = for_terminal(bad, &key()).unwrap_err();
            assert_eq!(failure.exit, Exit::Refused);
            assert!(failure.to_string().contains("--output FILE"), "{failure}");
        }
    }

    #[test]
    fn json_is_indented_and_anything_else_refused() {
        assert_eq!(json_of(br#"{"b":1,"a":[]}"#, &key()).unwrap(), "{\n  \"a\": [],\n  \"b\": 1\n}");
        assert_eq!(json_of(b"nope", &key()).unwrap_err().exit, Exit::Refused);
    }

    #[test]
    fn details_tell_everything_but_the_value() {
        let entry = Entry {
            value: Value::from("four"),
            metadata: Metadata::parse(r#"{"owner":"web"}"#).unwrap(),
            expiration: Some(Expiration(7)),
            version: "00000000000000ab.17".parse().unwrap(),
        };
        let shown: serde_json::Value = serde_json::from_str(&details(&key(), &entry)).unwrap();
        assert_eq!(
            shown,
            json!({"key": "k", "bytes": 4, "version": "00000000000000ab.17", "expiration": 7, "metadata": {"owner": "web"}})
        );
    }
}
