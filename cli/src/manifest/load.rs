//! From files and folders to the set of objects they declare: read, parse, judge, and refuse all or take all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::ConfigMap;
use nearkv::Namespace;
use nearkv_controller::api::{KvNamespace, parse_manifest};
use serde_json::Value;

use super::config_map;
use super::document::{Document, parse};
use super::fault::{Fault, Faults};

/// Where a manifest without `metadata.namespace` belongs, as with kubectl.
pub const DEFAULT_ACCOUNT: &str = "default";

/// How the names of manifests in a folder end; kubectl takes the same.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// All objects that manifests declare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifests {
    /// The KvNamespaces.
    pub namespaces: BTreeMap<Namespace, KvNamespace>,
    /// The ConfigMaps, by account and name.
    pub config_maps: BTreeMap<(String, String), ConfigMap>,
}

/// Reads the manifests at `paths`: files, or folders of files that end in `.yaml`, `.yml` or `.json` (as with
/// kubectl, not their sub-folders).
///
/// # Errors
/// [`Faults`] with all that is wrong; then nothing of it is to be used.
pub fn load(paths: &[PathBuf]) -> Result<Manifests, Faults> {
    let mut loading = Loading::default();
    for path in paths {
        match files(path) {
            Ok(files) => files.iter().for_each(|file| loading.read(file)),
            Err(fault) => loading.faults.push(fault),
        }
    }
    if loading.faults.is_empty() { Ok(loading.manifests) } else { Err(Faults(loading.faults)) }
}

/// The manifest files at a path.
fn files(path: &Path) -> Result<Vec<PathBuf>, Fault> {
    let unreadable = |error: std::io::Error| Fault {
        file: path.to_path_buf(),
        line: None,
        document: None,
        message: format!("cannot be read: {error}"),
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

#[derive(Default)]
struct Loading {
    manifests: Manifests,
    faults: Vec<Fault>,
    /// Where each object was declared, for the message when it is declared again.
    places: BTreeMap<(&'static str, String), String>,
}

impl Loading {
    fn read(&mut self, file: &Path) {
        let fault = |line, message| Fault { file: file.to_path_buf(), line, document: None, message };
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.faults.push(fault(None, format!("cannot be read: {error}"))),
        };
        match parse(&text) {
            Ok(documents) => documents.into_iter().for_each(|document| self.take(file, document)),
            Err(error) => self.faults.push(fault(error.line, error.to_string())),
        }
    }

    fn take(&mut self, file: &Path, document: Document) {
        let Document { number, value, lines } = document;
        let text =
            |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let account = Some(text("/metadata/namespace")).filter(|account| !account.is_empty());
        let account = account.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
        let what = if kind.is_empty() { "no kind".to_owned() } else { format!("{kind} {name}") };
        let fault = |path: &str, message: String| Fault {
            file: file.to_path_buf(),
            line: Some(lines.of(path)),
            document: Some((number, what.clone())),
            message,
        };

        let (kind, taken) = match (api_version.as_str(), kind.as_str()) {
            ("nearkv.dev/v1alpha1", "KvNamespace") => ("KvNamespace", self.namespace(value, &account, &name)),
            ("v1", "ConfigMap") => ("ConfigMap", self.config_map(&value, &account, &name)),
            _ => {
                let message = format!(
                    "kind {kind:?} of {api_version:?} is not known here: a development mode takes KvNamespace of \
                     nearkv.dev/v1alpha1 and ConfigMap of v1"
                );
                return self.faults.push(fault("kind", message));
            }
        };
        if let Err(found) = taken {
            let mut found: Vec<Fault> =
                found.into_iter().map(|(path, message)| fault(&path, message)).collect();
            found.sort_by_key(|fault| fault.line);
            return self.faults.append(&mut found);
        }
        let place = format!("{}:{}", file.display(), lines.of(""));
        if let Some(earlier) = self.places.insert((kind, format!("{account}/{name}")), place) {
            self.faults
                .push(fault("metadata.name", format!("{account}/{name} is declared in {earlier} already")));
        }
    }

    fn namespace(&mut self, value: Value, account: &str, name: &str) -> Result<(), Vec<(String, String)>> {
        let object = parse_manifest(value).map_err(|refusal| {
            refusal.faults.into_iter().map(|text| (path_of(&text), text)).collect::<Vec<_>>()
        })?;
        let namespace = Namespace::new(account, name)
            .map_err(|error| vec![("metadata.namespace".to_owned(), error.to_string())])?;
        self.manifests.namespaces.insert(namespace, object);
        Ok(())
    }

    fn config_map(&mut self, value: &Value, account: &str, name: &str) -> Result<(), Vec<(String, String)>> {
        let object = config_map::read(value)?;
        self.manifests.config_maps.insert((account.to_owned(), name.to_owned()), object);
        Ok(())
    }
}

/// The path that a refusal starts with: `spec.title in body …`, `spec.entries[0].key: …`, `unknown field "…"`.
fn path_of(refusal: &str) -> String {
    let start = refusal.strip_prefix("unknown field \"").unwrap_or(refusal);
    let end = start.find([' ', '"']).unwrap_or(start.len());
    start[..end].trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests;
