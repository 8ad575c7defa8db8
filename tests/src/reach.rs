//! Which objects of a KvNamespace its root reaches, worked out from their text alone, apart from the
//! code under test: every name of an object that stands in a reached object is reached.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use crate::error::{HarnessError, Result};

/// The objects of one KvNamespace: name, and the text in each of their fields.
pub type Objects = BTreeMap<String, Vec<String>>;

/// What reachability says of the objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// There, but reached by nothing: garbage.
    pub unreachable: BTreeSet<String>,
    /// Reached, but not there: damage, unless only an entry that was overwritten needs it.
    pub missing: BTreeSet<String>,
}

/// The ConfigMaps of the KvNamespace `name` in the Kubernetes namespace `namespace`.
pub async fn objects_in_cluster(client: kube::Client, namespace: &str, name: &str) -> Result<Objects> {
    let selector = ListParams::default().labels(&format!("nearkv.dev/kvnamespace={name}"));
    let list = Api::<ConfigMap>::namespaced(client, namespace).list(&selector).await.map_err(|source| {
        HarnessError::Kubernetes {
            action: format!("list the ConfigMaps of {namespace}/{name}"),
            source: Box::new(source),
        }
    })?;
    Ok(list.items.into_iter().filter_map(named_text).collect())
}

/// What stands in `binaryData` are values of users, which name no object.
fn named_text(object: ConfigMap) -> Option<(String, Vec<String>)> {
    Some((object.metadata.name?, object.data.unwrap_or_default().into_values().collect()))
}

/// Follows all names from the root `root` on.
pub fn reach(root: &str, objects: &Objects) -> Reach {
    let mut reached = BTreeSet::new();
    let mut next = vec![root.to_owned()];
    while let Some(name) = next.pop() {
        if let Some(fields) = objects.get(&name) {
            next.extend(fields.iter().flat_map(|field| names(root, field)).filter(|n| !reached.contains(n)));
        }
        reached.insert(name);
    }
    Reach {
        unreachable: objects.keys().filter(|name| !reached.contains(*name)).cloned().collect(),
        missing: reached.into_iter().filter(|name| !objects.contains_key(name)).collect(),
    }
}

/// The names in one field: a JSON document, or a line of JSON for each record.
fn names(root: &str, field: &str) -> Vec<String> {
    let mut found = Vec::new();
    match serde_json::from_str(field) {
        Ok(document) => collect(root, &document, &mut found),
        Err(_) => field
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .for_each(|record| collect(root, &record, &mut found)),
    }
    found
}

fn collect(root: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            if text.strip_prefix(root).is_some_and(|rest| rest.starts_with('.')) {
                found.push(text.clone());
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(root, value, found)),
        Value::Object(fields) => {
            if let (Some(nonce), Some(count)) =
                (fields.get("nonce").and_then(Value::as_str), fields.get("count").and_then(Value::as_u64))
            {
                found.extend((0..count).map(|index| format!("{root}.value.{nonce}.{index}")));
            }
            fields.values().for_each(|value| collect(root, value, found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(content: &[(&str, &str)]) -> Objects {
        content.iter().map(|(name, text)| ((*name).to_owned(), vec![(*text).to_owned()])).collect()
    }

    #[test]
    fn everything_is_reached_from_the_root_or_is_garbage() {
        let there = objects(&[
            (
                "s.kv",
                "{\"manifest\": {\"manifest\": \"s.kv.manifest.1\"}, \"segments\": [{\"segment\": \"s.kv.log.2\"}]}",
            ),
            ("s.kv.manifest.1", "{\"pages\": [{\"page\": \"s.kv.page.3\"}]}"),
            (
                "s.kv.log.2",
                "{\"delete\":\"a\"}\n{\"put\":\"b\",\"chunks\":{\"nonce\":\"4\",\"count\":2,\"size\":9000}}",
            ),
            ("s.kv.page.3", "{\"put\":\"c\",\"value\":\"x\",\"version\":1}"),
            ("s.kv.value.4.0", ""),
            ("s.kv.value.5.0", ""),
            ("s.kv.log.6", "{\"segment\": \"s.kv.log.7\"}"),
            ("s.kv.log.7", ""),
        ]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            reach("s.kv", &there),
            Reach {
                unreachable: names(&["s.kv.log.6", "s.kv.log.7", "s.kv.value.5.0"]),
                missing: names(&["s.kv.value.4.1"]),
            }
        );
    }
}
