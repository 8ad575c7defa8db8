//! First step: reads what the spec only names, the ConfigMaps of `entriesFrom`. The only step that reads.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use nearkv::Namespace;

use crate::api::KvNamespaceSpec;

/// Label of the objects that hold a KvNamespace's data (design §6).
pub const PART_LABEL: &str = "nearkv.dev/part";

/// Where ConfigMaps come from: the API server, or the manifests of the development mode.
#[async_trait]
pub trait ConfigMaps: Send + Sync {
    /// The ConfigMap `name` in the Kubernetes namespace `account`, as it is now.
    ///
    /// # Errors
    /// If it cannot be asked; that there is none is `None`.
    async fn get(&self, account: &str, name: &str) -> Result<Option<ConfigMap>, DereferenceError>;
}

/// A ConfigMap could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read ConfigMap {account}/{name}: {source}")]
pub struct DereferenceError {
    /// Its Kubernetes namespace.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What the sources of `spec.entriesFrom` hold, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dereferenced(pub Vec<Source>);

/// One of `spec.entriesFrom`.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The ConfigMap's name.
    pub name: String,
    /// Put before its keys.
    pub prefix: String,
    /// Whether it may be missing.
    pub optional: bool,
    /// What was found.
    pub found: Found,
}

/// What there is under a ConfigMap's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A ConfigMap with these keys, text and bytes alike.
    Data(BTreeMap<String, Bytes>),
    /// Nothing.
    Missing,
    /// The data of a KvNamespace: nothing that people edit, and it would declare itself.
    Part,
}

/// Reads the ConfigMaps that `spec` names.
///
/// # Errors
/// The first that cannot be asked for: without all answers nothing is known to be undeclared.
pub async fn dereference(
    namespace: &Namespace,
    spec: &KvNamespaceSpec,
    config_maps: &dyn ConfigMaps,
) -> Result<Dereferenced, DereferenceError> {
    let mut sources = Vec::with_capacity(spec.entries_from.len());
    for from in &spec.entries_from {
        let config_map = config_maps.get(namespace.account(), &from.config_map_ref.name).await?;
        sources.push(Source {
            name: from.config_map_ref.name.clone(),
            prefix: from.prefix.clone(),
            optional: from.config_map_ref.optional,
            found: config_map.map_or(Found::Missing, found),
        });
    }
    Ok(Dereferenced(sources))
}

fn found(config_map: ConfigMap) -> Found {
    let labels = config_map.metadata.labels.unwrap_or_default();
    if labels.contains_key(PART_LABEL) {
        return Found::Part;
    }
    let text = config_map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, Bytes::from(text)));
    let binary = config_map.binary_data.unwrap_or_default().into_iter();
    Found::Data(text.chain(binary.map(|(key, bytes)| (key, Bytes::from(bytes.0)))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{FakeConfigMaps, config_map},
        testing::Desired,
    };

    #[tokio::test]
    async fn text_and_binary_keys_of_a_config_map_are_read_alike() {
        let desired =
            Desired::new("settings").from("fr", "fr/").optional("de", "").from("settings.kv", "").build();
        let mut map = config_map("fr", &[("hello", "salut")]);
        map.binary_data = Some([("logo".to_owned(), k8s_openapi::ByteString(vec![0, 255]))].into());
        let mut part = config_map("settings.kv", &[]);
        part.metadata.labels = Some([(PART_LABEL.to_owned(), "root".to_owned())].into());
        let config_maps = FakeConfigMaps(vec![map, part]);

        let namespace = "team-a/settings".parse().unwrap();
        let Dereferenced(sources) = dereference(&namespace, &desired.spec, &config_maps).await.unwrap();

        let data = [("hello", &b"salut"[..]), ("logo", &[0, 255])];
        let data = data.map(|(key, value)| (key.to_owned(), Bytes::from_static(value)));
        assert_eq!(sources[0].found, Found::Data(data.into()));
        assert_eq!((&sources[1].found, sources[1].optional), (&Found::Missing, true));
        assert_eq!(sources[2].found, Found::Part);
    }
}
