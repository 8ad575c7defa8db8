//! The manifests that the state directory keeps: every KvNamespace and ConfigMap that development mode has seen, so
//! that it serves them again without `-f`, and so that `kubectl apply --server-side -R` takes the whole folder to a
//! cluster. What an API server would assign (UID, status) is kept with them.
//!
//! ```text
//! .nearkv/data/ACCOUNT/NAME.kv…yaml                      the data; in front of the manifests, also for kubectl
//! .nearkv/manifests/ACCOUNT/NAME.kvnamespace.yaml
//! .nearkv/manifests/ACCOUNT/NAME.configmap.yaml
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::ConfigMap;
use nearkv::Namespace;
use nearkv_controller::api::KvNamespace;
use serde::Serialize;

use crate::manifest::{Faults, Manifests, load};

/// Sub-folder of the state directory for the data.
pub(super) const DATA: &str = "data";
/// Sub-folder of the state directory for the manifests. Its name sorts behind that of the data: kubectl applies
/// them in this order, and the data must be there before a controller finds the KvNamespace.
const MANIFESTS: &str = "manifests";

/// Annotation: the UID that development mode has given a KvNamespace. A cluster gives its own.
pub(super) const UID: &str = "nearkv.dev/uid";

/// The kept manifests.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    data: PathBuf,
    folder: PathBuf,
}

/// Why manifests cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// What was kept is not what this program writes.
    #[error(
        "{0}\nNothing was changed. Repair the file, take it from a copy, or start with another folder (--data)"
    )]
    Damaged(Faults),
    /// The file system refuses.
    #[error("failed to {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// An object has no YAML.
    #[error("failed to write {} as YAML: {message}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// The serializer's words.
        message: String,
    },
}

impl KeepError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}

impl Kept {
    /// Those of the state directory `data`.
    pub(super) fn new(data: &Path) -> Self {
        Self { data: data.join(DATA), folder: data.join(MANIFESTS) }
    }

    /// Reads all of them.
    pub(super) fn load(&self) -> Result<Manifests, KeepError> {
        fs::create_dir_all(&self.folder).map_err(KeepError::io("create the folder", &self.folder))?;
        let read = KeepError::io("read the folder", &self.folder);
        let accounts =
            fs::read_dir(&self.folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(read)?;
        let accounts: Vec<PathBuf> =
            accounts.into_iter().map(|a| a.path()).filter(|path| path.is_dir()).collect();
        load(&accounts).map_err(KeepError::Damaged)
    }

    /// Keeps a KvNamespace, in place of what was kept of it.
    pub(super) fn keep_namespace(
        &self,
        namespace: &Namespace,
        object: &KvNamespace,
    ) -> Result<(), KeepError> {
        self.write(&self.of_namespace(namespace), object)
    }

    /// Keeps a ConfigMap, in place of what was kept of it.
    pub(super) fn keep_config_map(
        &self,
        account: &str,
        name: &str,
        object: &ConfigMap,
    ) -> Result<(), KeepError> {
        self.write(&self.of_config_map(account, name), object)
    }

    /// Keeps a KvNamespace no longer.
    pub(super) fn drop_namespace(&self, namespace: &Namespace) -> Result<(), KeepError> {
        remove(&self.of_namespace(namespace))
    }

    /// Keeps a ConfigMap no longer.
    pub(super) fn drop_config_map(&self, account: &str, name: &str) -> Result<(), KeepError> {
        remove(&self.of_config_map(account, name))
    }

    /// Where the data store keeps the root of a KvNamespace, for messages.
    pub(super) fn root_of(&self, namespace: &Namespace) -> PathBuf {
        self.data.join(namespace.account()).join(format!("{}.kv.yaml", namespace.name()))
    }

    fn of_namespace(&self, namespace: &Namespace) -> PathBuf {
        self.folder.join(namespace.account()).join(format!("{}.kvnamespace.yaml", namespace.name()))
    }

    fn of_config_map(&self, account: &str, name: &str) -> PathBuf {
        self.folder.join(account).join(format!("{name}.configmap.yaml"))
    }

    /// Writes a file so that it is there whole, or as it was, whenever the machine stops.
    fn write(&self, path: &Path, object: &impl Serialize) -> Result<(), KeepError> {
        let yaml = serde_saphyr::to_string(object)
            .map_err(|error| KeepError::Yaml { path: path.to_path_buf(), message: error.to_string() })?;
        let folder = path.parent().unwrap_or(&self.folder);
        let temporary = path.with_extension("tmp");
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = File::create(&temporary)?;
            file.write_all(yaml.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            File::open(folder)?.sync_all()?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(KeepError::io("write", path))
    }
}

fn remove(path: &Path) -> Result<(), KeepError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(KeepError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.yaml");
        let text = "apiVersion: nearkv.dev/v1alpha1
kind: KvNamespace
metadata: {name: settings, namespace: team-a, annotations: {nearkv.dev/uid: '12'}}
spec:
  entries:
    - {key: 'on', value: 'true', metadata: {a: [1, null, x: 'no']}}
    - {key: html, value: \"<p>\\n  x: y\\n</p>\\n\"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: fr, namespace: team-a}
data: {hello: \" Bonjour: … # \", n: '1'}
binaryData: {i: AAEC}
";
        fs::write(&source, text).unwrap();
        let manifests = load(&[source]).unwrap();
        let kept = Kept::new(&folder.path().join("state"));
        assert_eq!(kept.load().unwrap(), Manifests::default());
        for (namespace, object) in &manifests.namespaces {
            kept.keep_namespace(namespace, object).unwrap();
        }
        for ((account, name), object) in &manifests.config_maps {
            kept.keep_config_map(account, name, object).unwrap();
        }
        assert_eq!(kept.load().unwrap(), manifests);

        kept.drop_namespace(&"team-a/settings".parse().unwrap()).unwrap();
        kept.drop_config_map("team-a", "fr").unwrap();
        kept.drop_config_map("team-a", "fr").unwrap();
        assert_eq!(kept.load().unwrap(), Manifests::default());
    }

    #[test]
    fn a_damaged_manifest_is_told_with_file_and_line_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path());
        kept.load().unwrap();
        let file = folder.path().join("manifests/default/a.configmap.yaml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: [}\n").unwrap();
        let error = kept.load().unwrap_err().to_string();
        assert!(error.contains("a.configmap.yaml:4: not valid YAML"), "{error}");
        assert!(file.exists());
    }
}
