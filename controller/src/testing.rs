//! A builder of KvNamespace objects, for the tests of this crate and of the operator.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::{ConfigMapRef, EntriesFrom, Entry, KvNamespace, KvNamespaceSpec};

/// A KvNamespace of `team-a`, stored with UID `uid-1` and generation 1.
#[derive(Clone, Debug)]
pub struct Desired(KvNamespace);

impl Desired {
    /// The object with this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut object = KvNamespace::new(name, KvNamespaceSpec::default());
        object.metadata = ObjectMeta {
            namespace: Some("team-a".into()),
            uid: Some("uid-1".into()),
            generation: Some(1),
            ..object.metadata
        };
        Self(object)
    }

    /// Of this generation.
    #[must_use]
    pub fn generation(mut self, generation: i64) -> Self {
        self.0.metadata.generation = Some(generation);
        self
    }

    /// With an annotation.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.0.metadata.annotations.get_or_insert_default().insert(key.into(), value.into());
        self
    }

    /// Declares a text.
    #[must_use]
    pub fn entry(mut self, key: &str, value: &str) -> Self {
        self.0.spec.entries.push(Entry { key: key.into(), value: Some(value.into()), ..Entry::default() });
        self
    }

    /// Declares an entry with all its fields.
    #[must_use]
    pub fn full_entry(mut self, entry: Entry) -> Self {
        self.0.spec.entries.push(entry);
        self
    }

    /// Takes the entries of a ConfigMap.
    #[must_use]
    pub fn from(self, config_map: &str, prefix: &str) -> Self {
        self.source(config_map, prefix, false)
    }

    /// Takes the entries of a ConfigMap that may be missing.
    #[must_use]
    pub fn optional(self, config_map: &str, prefix: &str) -> Self {
        self.source(config_map, prefix, true)
    }

    fn source(mut self, config_map: &str, prefix: &str, optional: bool) -> Self {
        let config_map_ref = ConfigMapRef { name: config_map.into(), optional };
        self.0.spec.entries_from.push(EntriesFrom { config_map_ref, prefix: prefix.into() });
        self
    }

    /// The object.
    #[must_use]
    pub fn build(self) -> KvNamespace {
        self.0
    }
}
