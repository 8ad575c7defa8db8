//! `kubectl kv list NAME`: keys in the order of their bytes, with expiration and metadata, over as many pages as it takes.

use std::io::{BufWriter, Write, stdout};

use clap::Args;
use jiff::Timestamp;
use nearkv::limits::MAX_LIST_KEYS;
use nearkv::{Expiration, Key, Kv, ListOptions, Listed, Prefix};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::formats::{Format, Printer, Row, shown};
use crate::reach::ServerArgs;
use crate::terminal;

/// `kubectl kv list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The KvNamespace.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Only keys that start with this.
    #[arg(long, value_parser = super::prefix, default_value = "", hide_default_value = true)]
    pub prefix: Prefix,

    /// So many keys at most. Default: all.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,

    /// How to print them.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,

    #[command(flatten)]
    server: ServerArgs,
}

/// A key as it is listed: the object of wrangler and the REST API.
#[derive(Serialize)]
struct Item {
    name: Key,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<Expiration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<serde_json::Value>,
    #[serde(skip)]
    metadata_text: String,
}

impl From<Listed> for Item {
    fn from(Listed { name, expiration, metadata }: Listed) -> Self {
        let text = metadata.as_ref().map_or("", nearkv::Metadata::as_str).to_owned();
        Self { name, expiration, metadata: serde_json::from_str(&text).ok(), metadata_text: text }
    }
}

impl Row for Item {
    const COLUMNS: &'static [&'static str] = &["KEY", "EXPIRES", "METADATA"];

    fn cells(&self) -> Vec<String> {
        let expires = self.expiration.map_or_else(|| "<never>".to_owned(), moment);
        vec![shown(self.name.as_str()), expires, shown(&self.metadata_text)]
    }

    fn name(&self) -> &str {
        self.name.as_str()
    }
}

/// A second since 1970 as people read it; as a number where the calendar ends.
fn moment(expiration: Expiration) -> String {
    let seconds = i64::try_from(expiration.0).ok();
    match seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
        Some(moment) => moment.to_string(),
        None => expiration.to_string(),
    }
}

/// Lists the keys.
///
/// # Errors
/// Those of the server.
pub async fn run(args: ListArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let namespace = reached.namespace(&args.name)?;
    let mut printer = Printer::new(args.output);
    let mut out = BufWriter::new(stdout());
    let mut options = ListOptions { prefix: args.prefix.clone(), ..ListOptions::default() };
    let mut left = args.limit.unwrap_or(u64::MAX);
    loop {
        options.limit = Some(usize::try_from(left).unwrap_or(MAX_LIST_KEYS).min(MAX_LIST_KEYS));
        let answer = reached.client.list(&namespace, &options).await;
        let page = answer.map_err(|error| Failure::server(&format!("list {namespace}"), &error))?.body;
        left = left.saturating_sub(page.keys.len() as u64);
        let rows: Vec<Item> = page.keys.into_iter().map(Item::from).collect();
        let text = printer.page(&rows).map_err(|error| Failure::new(Exit::Failure, error))?;
        out.write_all(text.as_bytes()).map_err(|error| Failure::output(&error))?;
        options.cursor = page.cursor;
        if options.cursor.is_none() || left == 0 {
            break;
        }
    }
    out.write_all(printer.end().as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::output(&error))?;
    if printer.printed() == 0 && args.output == Format::Table {
        terminal::note(&format!("no keys in {namespace} that start with {:?}", args.prefix.as_str()));
    }
    reached.end().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_listed_as_wrangler_lists_it() {
        let listed = Listed {
            name: Key::new("flags/new_ui").unwrap(),
            expiration: Some(Expiration(2_114_380_800)),
            metadata: nearkv::Metadata::parse(r#"{"owner": "web"}"#).unwrap(),
        };
        let item = Item::from(listed);
        assert_eq!(item.cells(), ["flags/new_ui", "2037-01-01T00:00:00Z", r#"{"owner": "web"}"#]);
        assert_eq!(
            serde_json::to_string(&item).unwrap(),
            r#"{"name":"flags/new_ui","expiration":2114380800,"metadata":{"owner":"web"}}"#
        );
        let plain = Listed { name: Key::new("k").unwrap(), expiration: None, metadata: None };
        assert_eq!(serde_json::to_string(&Item::from(plain)).unwrap(), r#"{"name":"k"}"#);
    }

    #[test]
    fn an_end_past_the_calendar_is_a_number() {
        assert_eq!(moment(Expiration(u64::MAX)), u64::MAX.to_string());
    }
}
