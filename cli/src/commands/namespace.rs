//! `kubectl kv namespace create|list|rename|delete`: KvNamespaces of an account, over the REST face.

use clap::{Args, Subcommand};
use nearkv::{NamespaceInfo, Namespaces};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::formats::{Format, Printer, Row, shown};
use crate::reach::{Reached, ServerArgs};
use crate::terminal;

/// `kubectl kv namespace`.
#[derive(Debug, Subcommand)]
pub enum NamespaceCommand {
    /// Create a KvNamespace. Its name is made of the title.
    Create(CreateArgs),
    /// List the KvNamespaces of the account.
    List(ListArgs),
    /// Give a KvNamespace another title. Its name and id stay.
    Rename(RenameArgs),
    /// Delete a KvNamespace with its data, unless its deletionPolicy retains them. Asks before.
    Delete(DeleteArgs),
}

/// `kubectl kv namespace create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The title, of 1 to 512 characters.
    pub title: String,

    #[command(flatten)]
    server: ServerArgs,
}

/// `kubectl kv namespace list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,

    #[command(flatten)]
    server: ServerArgs,
}

/// `kubectl kv namespace rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// The KvNamespace: its name, id or title.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The new title.
    #[arg(value_name = "TITLE")]
    pub title: String,

    #[command(flatten)]
    server: ServerArgs,
}

/// `kubectl kv namespace delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The KvNamespace: its name, id or title.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// A KvNamespace as it is listed: the object of wrangler and the REST API, and its name.
#[derive(Serialize)]
struct Item {
    id: String,
    title: String,
    name: String,
}

impl From<NamespaceInfo> for Item {
    fn from(NamespaceInfo { namespace, title }: NamespaceInfo) -> Self {
        Self { id: namespace.id().to_string(), title, name: namespace.name().to_owned() }
    }
}

impl Row for Item {
    const COLUMNS: &'static [&'static str] = &["NAME", "TITLE", "ID"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), shown(&self.title), self.id.clone()]
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Executes one of them.
///
/// # Errors
/// Those of the server; exit 4 where there is no such KvNamespace, 2 where a deletion was not confirmed.
pub async fn run(command: NamespaceCommand) -> Result<(), Failure> {
    match command {
        NamespaceCommand::Create(args) => create(args).await,
        NamespaceCommand::List(args) => list(args).await,
        NamespaceCommand::Rename(args) => rename(args).await,
        NamespaceCommand::Delete(args) => delete(args).await,
    }
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let created = Namespaces::create(&reached.client, reached.account(), &args.title).await;
    let action = format!("create a KvNamespace {:?} in {}", args.title, reached.account());
    let NamespaceInfo { namespace, title } = created.map_err(|error| Failure::server(&action, &error))?;
    terminal::say(&format!("{namespace} created (title {title:?}, id {})", namespace.id()))?;
    reached.end().await;
    Ok(())
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let rows: Vec<Item> = all(&reached).await?.into_iter().map(Item::from).collect();
    let mut printer = Printer::new(args.output);
    let text = printer.page(&rows).map_err(|error| Failure::new(Exit::Failure, error))? + printer.end();
    if rows.is_empty() && args.output == Format::Table {
        terminal::note(&format!("no KvNamespaces in {}", reached.account()));
    }
    terminal::print(&text)?;
    reached.end().await;
    Ok(())
}

async fn rename(args: RenameArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let NamespaceInfo { namespace, .. } = find(&reached, &args.name).await?;
    let renamed = Namespaces::rename(&reached.client, reached.account(), namespace.id(), &args.title).await;
    renamed.map_err(|error| Failure::server(&format!("rename {namespace}"), &error))?;
    terminal::say(&format!("{namespace} renamed to {:?}", args.title))?;
    reached.end().await;
    Ok(())
}

async fn delete(args: DeleteArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let NamespaceInfo { namespace, title } = find(&reached, &args.name).await?;
    if !args.yes {
        terminal::confirm(&format!("Delete KvNamespace {namespace} (title {title:?}) with its data?"))?;
    }
    let deleted = Namespaces::delete(&reached.client, reached.account(), namespace.id()).await;
    deleted.map_err(|error| Failure::server(&format!("delete {namespace}"), &error))?;
    terminal::say(&format!("{namespace} deleted"))?;
    reached.end().await;
    Ok(())
}

async fn all(reached: &Reached) -> Result<Vec<NamespaceInfo>, Failure> {
    let listed = Namespaces::list(&reached.client, reached.account()).await;
    let action = format!("list the KvNamespaces of {}", reached.account());
    listed.map_err(|error| Failure::server(&action, &error))
}

/// The KvNamespace that is meant.
async fn find(reached: &Reached, meant: &str) -> Result<NamespaceInfo, Failure> {
    choose(all(reached).await?, meant).ok_or_else(|| {
        let missing = format!("there is no KvNamespace {meant:?} in {}", reached.account());
        Failure::new(Exit::NamespaceMissing, missing)
            .with_advice("`kubectl kv namespace list` shows those there are")
    })
}

/// The one with this name, else with this id, else with this title.
fn choose(all: Vec<NamespaceInfo>, meant: &str) -> Option<NamespaceInfo> {
    let ways: [fn(&NamespaceInfo, &str) -> bool; 3] = [
        |info, meant| info.namespace.name() == meant,
        |info, meant| info.namespace.id().to_string() == meant,
        |info, meant| info.title == meant,
    ];
    ways.iter().find_map(|is_meant| all.iter().find(|info| is_meant(info, meant)).cloned())
}

#[cfg(test)]
mod tests {
    use nearkv::Namespace;

    use super::*;

    fn info(name: &str, title: &str) -> NamespaceInfo {
        NamespaceInfo { namespace: Namespace::new("team-a", name).unwrap(), title: title.to_owned() }
    }

    #[test]
    fn a_name_comes_before_an_id_and_that_before_a_title() {
        let all = vec![info("one", "two"), info("two", "three")];
        let id = all[0].namespace.id().to_string();
        let chosen = |meant: &str| choose(all.clone(), meant).map(|info| info.namespace.name().to_owned());
        assert_eq!(chosen("two").as_deref(), Some("two"));
        assert_eq!(chosen(&id).as_deref(), Some("one"));
        assert_eq!(chosen("three").as_deref(), Some("two"));
        assert_eq!(chosen("four"), None);
    }

    #[test]
    fn a_list_holds_what_wrangler_prints_and_the_name() {
        let item = Item::from(info("settings", "SETTINGS"));
        let id = Namespace::new("team-a", "settings").unwrap().id();
        assert_eq!(
            serde_json::to_value(&item).unwrap(),
            serde_json::json!({"id": id.to_string(), "title": "SETTINGS", "name": "settings"})
        );
    }
}
