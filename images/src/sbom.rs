//! The bill of materials of one program, CycloneDX 1.6 in JSON: the crates that it is linked from, as cargo resolves
//! them for this target without tests and build scripts, and what depends on what. The same lock file and the same
//! program give the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId, Resolve};
use serde::Serialize;

use crate::image::digest;

/// What cargo says of the workspace.
pub(crate) struct Materials {
    metadata: Metadata,
    resolve: Resolve,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom {
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: About,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct About {
    component: Component,
}

#[derive(Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<License>,
    purl: String,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
struct License {
    expression: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    depends_on: Vec<String>,
}

impl Materials {
    /// Asks cargo.
    pub(crate) fn of_workspace() -> Result<Self, String> {
        let target = format!("--filter-platform={}", crate::compile::TARGET);
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .other_options([target, "--locked".to_owned()])
            .exec()
            .map_err(|error| format!("failed to ask cargo for the dependencies: {error}"))?;
        let resolve = metadata.resolve.clone().ok_or("cargo did not resolve the dependencies")?;
        Ok(Self { metadata, resolve })
    }

    /// The folder of the workspace.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Cargo's target folder.
    pub(crate) fn target(&self) -> PathBuf {
        self.metadata.target_directory.clone().into_std_path_buf()
    }

    /// The version of the workspace's packages.
    pub(crate) fn version(&self) -> String {
        self.metadata
            .workspace_packages()
            .first()
            .map(|package| package.version.to_string())
            .unwrap_or_default()
    }

    /// The bill of `name`, of whose program `program` are the bytes.
    pub(crate) fn of(&self, name: &str, program: &[u8]) -> Result<Vec<u8>, String> {
        let root = self
            .metadata
            .workspace_packages()
            .into_iter()
            .find(|package| package.name == name)
            .ok_or_else(|| format!("the workspace has no package {name}"))?;
        let graph = self.reached(&root.id);
        let mut about = component(root, "application");
        let sum = digest(program).replace("sha256:", "");
        about.hashes.push(Hash { alg: "SHA-256", content: sum });
        let others = graph.keys().copied().filter(|id| *id != &root.id);
        let bom = Bom {
            bom_format: "CycloneDX",
            spec_version: "1.6",
            version: 1,
            metadata: About { component: about },
            components: others.map(|id| component(&self.metadata[id], "library")).collect(),
            dependencies: graph
                .iter()
                .map(|(id, needs)| Dependency {
                    reference: reference(&self.metadata[*id]),
                    depends_on: needs.iter().map(|id| reference(&self.metadata[*id])).collect(),
                })
                .collect(),
        };
        serde_json::to_vec_pretty(&bom)
            .map_err(|error| format!("failed to write the bill of {name}: {error}"))
    }

    /// What is linked into `root`, and what each of it needs.
    fn reached(&self, root: &PackageId) -> BTreeMap<&PackageId, BTreeSet<&PackageId>> {
        let mut graph = BTreeMap::new();
        let mut next: Vec<&PackageId> =
            self.metadata.packages.iter().map(|p| &p.id).filter(|id| *id == root).collect();
        while let Some(id) = next.pop() {
            if graph.contains_key(id) {
                continue;
            }
            let needs: BTreeSet<&PackageId> = self.resolve[id]
                .deps
                .iter()
                .filter(|dependency| {
                    dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
                })
                .map(|dependency| &dependency.pkg)
                .collect();
            next.extend(&needs);
            graph.insert(id, needs);
        }
        graph
    }
}

fn component(package: &Package, kind: &'static str) -> Component {
    Component {
        kind,
        reference: reference(package),
        name: package.name.to_string(),
        version: package.version.to_string(),
        description: package.description.as_ref().map(|text| text.trim().to_owned()),
        hashes: Vec::new(),
        licenses: package
            .license
            .iter()
            // crates.io has old ones with a slash, which is no SPDX expression.
            .map(|text| License { expression: text.replace('/', " OR ") })
            .collect(),
        purl: reference(package),
    }
}

/// The package URL, which is a name for it in the bill as well.
fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn bill(name: &str) -> Value {
        let materials = Materials::of_workspace().unwrap();
        let (one, two) = (materials.of(name, b"program").unwrap(), materials.of(name, b"program").unwrap());
        assert_eq!(one, two, "the same bytes each time");
        serde_json::from_slice(&one).unwrap()
    }

    #[test]
    fn the_bill_names_what_is_linked_and_nothing_that_only_tests_or_other_programs_need() {
        let bill = bill("nearkv-edge-cache");
        let names: Vec<&str> =
            bill["components"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        for linked in ["nearkv", "moka", "tokio", "mimalloc", "rustls"] {
            assert!(names.contains(&linked), "{linked} is not in {names:?}");
        }
        for other in ["nearkv-edge-cache", "kube", "hdrhistogram", "imbl"] {
            assert!(!names.contains(&other), "{other} is in {names:?}");
        }
        assert_eq!(bill["metadata"]["component"]["name"], "nearkv-edge-cache");
    }

    #[test]
    fn every_dependency_is_a_component_with_a_licence() {
        let bill = bill("nearkv-operator");
        let components = bill["components"].as_array().unwrap();
        let known: BTreeSet<&str> = components.iter().map(|c| c["bom-ref"].as_str().unwrap()).collect();
        for dependency in bill["dependencies"].as_array().unwrap() {
            for need in dependency["dependsOn"].as_array().unwrap() {
                assert!(known.contains(need.as_str().unwrap()), "{need}");
            }
        }
        for component in components {
            assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        }
    }
}
