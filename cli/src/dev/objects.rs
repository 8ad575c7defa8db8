//! The objects as an API server would hold them: manifests come in, and out comes what has changed. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use nearkv::{Namespace, Random};
use nearkv_controller::api::KvNamespace;

use super::kept::UID;
use crate::manifest::Manifests;

/// Account and name of a ConfigMap.
pub(super) type ConfigMapName = (String, String);

/// All objects, and which of them are in the manifests that are followed now. An object that was kept from an
/// earlier run and is in no manifest stays: it disappears only with a manifest that this run has seen.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// Everything there is.
    pub(super) all: Manifests,
    followed_namespaces: BTreeSet<Namespace>,
    followed_config_maps: BTreeSet<ConfigMapName>,
}

/// What taking manifests has changed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// KvNamespaces that are new or changed.
    pub(super) namespaces: Vec<Namespace>,
    /// KvNamespaces whose manifest has disappeared, as they were.
    pub(super) removed_namespaces: Vec<(Namespace, KvNamespace)>,
    /// ConfigMaps that are new or changed.
    pub(super) config_maps: Vec<ConfigMapName>,
    /// ConfigMaps whose manifest has disappeared.
    pub(super) removed_config_maps: Vec<ConfigMapName>,
}

impl Objects {
    /// Starts with what was kept.
    pub(super) fn kept(all: Manifests) -> Self {
        Self { all, ..Self::default() }
    }

    /// Takes the manifests as they are now.
    pub(super) fn take(&mut self, manifests: Manifests, random: &Random) -> Changes {
        let mut changes = Changes::default();
        let Manifests { namespaces, config_maps } = manifests;

        let followed = namespaces.keys().cloned().collect();
        for gone in std::mem::replace(&mut self.followed_namespaces, followed) {
            if !self.followed_namespaces.contains(&gone)
                && let Some(object) = self.all.namespaces.remove(&gone)
            {
                changes.removed_namespaces.push((gone, object));
            }
        }
        for (namespace, manifest) in namespaces {
            let present = self.all.namespaces.get(&namespace);
            let object = stored(manifest, &namespace, present, random);
            if present != Some(&object) {
                self.all.namespaces.insert(namespace.clone(), object);
                changes.namespaces.push(namespace);
            }
        }

        let followed = config_maps.keys().cloned().collect();
        for gone in std::mem::replace(&mut self.followed_config_maps, followed) {
            if !self.followed_config_maps.contains(&gone) {
                self.all.config_maps.remove(&gone);
                changes.removed_config_maps.push(gone);
            }
        }
        for (name, manifest) in config_maps {
            let object = placed(manifest, &name.0);
            if self.all.config_maps.get(&name) != Some(&object) {
                self.all.config_maps.insert(name.clone(), object);
                changes.config_maps.push(name);
            }
        }
        changes
    }
}

impl Objects {
    /// Whether the KvNamespace is in a manifest that is followed.
    pub(super) fn is_followed(&self, namespace: &Namespace) -> bool {
        self.followed_namespaces.contains(namespace)
    }

    /// Puts an object in place of what is there of it, as `kubectl apply` would.
    pub(super) fn put(&mut self, namespace: &Namespace, object: KvNamespace, random: &Random) {
        let present = self.all.namespaces.get(namespace);
        let object = stored(object, namespace, present, random);
        self.all.namespaces.insert(namespace.clone(), object);
    }
}

/// The title of a KvNamespace: its own, or else its name (design §3).
pub(super) fn title_of(object: &KvNamespace) -> String {
    let name = || object.metadata.name.clone().unwrap_or_default();
    object.spec.title.clone().unwrap_or_else(name)
}

/// The manifest as an API server stores it: with the UID of its first day, the generation of its spec, and the
/// status that it had.
fn stored(
    mut manifest: KvNamespace,
    namespace: &Namespace,
    present: Option<&KvNamespace>,
    random: &Random,
) -> KvNamespace {
    let uid = present.and_then(uid_of).map_or_else(|| uuid(&random.hex128()), str::to_owned);
    manifest.metadata.annotations.get_or_insert_default().insert(UID.to_owned(), uid);
    manifest.metadata.namespace = Some(namespace.account().to_owned());
    manifest.metadata.generation = Some(match present {
        None => 1,
        Some(present) => {
            present.metadata.generation.unwrap_or_default() + i64::from(present.spec != manifest.spec)
        }
    });
    manifest.status = present.and_then(|present| present.status.clone());
    manifest
}

fn placed(mut manifest: ConfigMap, account: &str) -> ConfigMap {
    manifest.metadata.namespace = Some(account.to_owned());
    manifest
}

/// The UID that development mode has given the object.
pub(super) fn uid_of(object: &KvNamespace) -> Option<&str> {
    object.metadata.annotations.as_ref()?.get(UID).map(String::as_str)
}

/// 32 hex digits in the form of a Kubernetes UID.
fn uuid(hex: &str) -> String {
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default());
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(names: &[(&str, &str)]) -> Manifests {
        let mut manifests = Manifests::default();
        for (name, title) in names {
            let mut object = KvNamespace::new(name, Default::default());
            object.spec.title = Some((*title).to_owned());
            manifests.namespaces.insert(Namespace::new("default", name).unwrap(), object);
        }
        manifests
    }

    fn names(namespaces: &[Namespace]) -> Vec<&str> {
        namespaces.iter().map(Namespace::name).collect()
    }

    #[test]
    fn a_manifest_that_did_not_change_is_no_change() {
        let random = Random::seeded(1);
        let mut objects = Objects::default();
        let first = objects.take(manifests(&[("a", "A"), ("b", "B")]), &random);
        assert_eq!(names(&first.namespaces), ["a", "b"]);
        let second = objects.take(manifests(&[("a", "A"), ("b", "other")]), &random);
        assert_eq!(names(&second.namespaces), ["b"]);
        assert_eq!(objects.take(manifests(&[("a", "A"), ("b", "other")]), &random), Changes::default());
    }

    #[test]
    fn a_changed_manifest_keeps_uid_and_status_and_a_new_life_has_another_uid() {
        let random = Random::seeded(1);
        let namespace: Namespace = "default/a".parse().unwrap();
        let mut objects = Objects::default();
        objects.take(manifests(&[("a", "A")]), &random);
        let uid = uid_of(&objects.all.namespaces[&namespace]).unwrap().to_owned();
        assert_eq!(uid.len(), 36);
        if let Some(object) = objects.all.namespaces.get_mut(&namespace) {
            object.status.get_or_insert_default().version = Some("1.2".to_owned());
        }
        objects.take(manifests(&[("a", "other")]), &random);
        let object = &objects.all.namespaces[&namespace];
        assert_eq!((uid_of(object), object.metadata.generation), (Some(uid.as_str()), Some(2)));
        assert_eq!(object.status.as_ref().unwrap().version.as_deref(), Some("1.2"));

        let gone = objects.take(manifests(&[]), &random).removed_namespaces;
        assert_eq!((gone.len(), uid_of(&gone[0].1)), (1, Some(uid.as_str())));
        objects.take(manifests(&[("a", "A")]), &random);
        let object = &objects.all.namespaces[&namespace];
        assert!(uid_of(object) != Some(uid.as_str()) && object.status.is_none());
    }

    #[test]
    fn what_an_earlier_run_has_kept_stays_until_its_manifest_was_seen_and_disappears() {
        let random = Random::seeded(1);
        let mut earlier = Objects::default();
        earlier.take(manifests(&[("a", "A"), ("b", "B")]), &random);
        let mut objects = Objects::kept(earlier.all);
        assert_eq!(objects.take(manifests(&[("a", "A")]), &random), Changes::default());
        let changes = objects.take(manifests(&[]), &random);
        assert_eq!(changes.removed_namespaces.len(), 1);
        assert_eq!(objects.all.namespaces.len(), 1, "b was in no manifest of this run");
    }
}
