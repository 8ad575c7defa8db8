//! `kubectl kv delete NAME KEY...` or `--prefix P`: removes entries. That there is none is success.

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use nearkv::{Condition, DeleteOptions, Key, Kv, Mutation, Namespace, Prefix};

use super::named;
use crate::entries;
use crate::failure::Failure;
use crate::reach::{Reached, ServerArgs};
use crate::terminal;

/// `kubectl kv delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The KvNamespace.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The keys.
    #[arg(value_name = "KEY", value_parser = super::key, required_unless_present = "prefix", conflicts_with = "prefix")]
    pub keys: Vec<Key>,

    /// Delete every key that starts with this; '' is all keys. Asks before.
    #[arg(long, value_parser = super::prefix)]
    pub prefix: Option<Prefix>,

    /// Do not ask.
    #[arg(short, long, requires = "prefix")]
    pub yes: bool,

    /// Delete only if the key has this version now (`get --details` shows it); `*` is any. Otherwise exit 6.
    #[arg(long, value_name = "VERSION", value_parser = super::if_match, conflicts_with = "prefix")]
    pub if_match: Option<Condition>,

    #[command(flatten)]
    server: ServerArgs,
}

/// Deletes the keys.
///
/// # Errors
/// Those of the server; exit 2 where a deletion by prefix was not confirmed.
pub async fn run(args: DeleteArgs) -> Result<(), Failure> {
    let reached = args.server.reach().await?;
    let namespace = reached.namespace(&args.name)?;
    match &args.prefix {
        Some(prefix) => by_prefix(&reached, &namespace, prefix, args.yes).await?,
        None => {
            let options = DeleteOptions { condition: args.if_match };
            delete(&reached, &namespace, &args.keys, &options).await?;
            for key in &args.keys {
                terminal::say(&format!("{namespace} {:?} deleted", key.as_str()))?;
            }
        }
    }
    reached.end().await;
    Ok(())
}

/// Several go by one swap: all of them or none.
async fn delete(
    reached: &Reached,
    namespace: &Namespace,
    keys: &[Key],
    options: &DeleteOptions,
) -> Result<(), Failure> {
    if let [key] = keys {
        let answer = reached.client.delete(namespace, key, options).await;
        return answer
            .map(drop)
            .map_err(|error| Failure::server(&format!("delete {}", named(key, namespace)), &error));
    }
    let deletions: Vec<_> =
        keys.iter().map(|key| Ok(Mutation::Delete { key: key.clone(), options: options.clone() })).collect();
    let answer = reached.client.write_many(namespace, stream::iter(deletions).boxed()).await;
    let action = format!("delete {} keys of {namespace}", keys.len());
    answer.map(drop).map_err(|error| Failure::server(&action, &error))
}

async fn by_prefix(
    reached: &Reached,
    namespace: &Namespace,
    prefix: &Prefix,
    yes: bool,
) -> Result<(), Failure> {
    let keys = entries::keys(reached.client.clone(), namespace.clone(), prefix.clone());
    let keys: Vec<Key> = keys.try_collect().await?;
    let what = what(keys.len(), prefix, namespace);
    if keys.is_empty() {
        terminal::note(&what);
        return Ok(());
    }
    if !yes {
        terminal::confirm(&format!("Delete {what}?"))?;
    }
    delete(reached, namespace, &keys, &DeleteOptions::default()).await?;
    terminal::say(&format!("{what} deleted"))
}

/// `2 keys of default/settings that start with "flags/"`.
fn what(count: usize, prefix: &Prefix, namespace: &Namespace) -> String {
    let (no, keys) = match count {
        0 => ("no".to_owned(), "keys"),
        1 => ("1".to_owned(), "key"),
        n => (n.to_string(), "keys"),
    };
    match prefix.as_str() {
        "" if count > 1 => format!("all {no} {keys} of {namespace}"),
        "" => format!("{no} {keys} of {namespace}"),
        prefix if count == 1 => format!("{no} {keys} of {namespace} that starts with {prefix:?}"),
        prefix => format!("{no} {keys} of {namespace} that start with {prefix:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_says_how_many_and_of_what() {
        let namespace = Namespace::new("team-a", "settings").unwrap();
        let said = |count, prefix| what(count, &Prefix::new(prefix).unwrap(), &namespace);
        assert_eq!(said(3, ""), "all 3 keys of team-a/settings");
        assert_eq!(said(1, "a/"), "1 key of team-a/settings that starts with \"a/\"");
        assert_eq!(said(0, "a/"), "no keys of team-a/settings that start with \"a/\"");
    }
}
