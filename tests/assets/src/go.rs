//! Finds the binaries of a Kubernetes control plane, and those of a node, and builds them once where there are none.
//!
//! An environment variable names a folder of them. Without it they are built with Go, from the modules in `tests/controlplane` and `tests/node`,
//! into a folder of cargo's target folder that is named after the content of what decides the build, so that a changed
//! version is another folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::TESTS;
use crate::build::Build;
use crate::error::{AssetError, Result};
use crate::lock::{lock, say};

/// What is built, from what.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// What it is, for people.
    what: &'static str,
    /// The environment variable that names a folder of ready binaries.
    variable: &'static str,
    /// The folder below cargo's target folder.
    cache: &'static str,
    /// The script that builds all into the folder it is given.
    script: &'static str,
    /// The files that decide what is built, beside the script; folders stand for their `go.mod` and `go.sum`.
    sources: &'static [&'static str],
    /// What has to be in the folder.
    binaries: &'static [&'static str],
}

/// etcd, and the parts of a control plane. The variable is that of kubebuilder's envtest.
pub const CONTROL_PLANE: Recipe = Recipe {
    what: "etcd and Kubernetes' control plane",
    variable: "KUBEBUILDER_ASSETS",
    cache: "controlplane",
    script: "controlplane/build.sh",
    sources: &["controlplane"],
    binaries: &["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"],
};

/// What a node needs besides, so that pods run on it; and helm.
pub const NODE: Recipe = Recipe {
    what: "a Kubernetes node and helm",
    variable: "NEARKV_NODE_ASSETS",
    cache: "node",
    script: "node/build.sh",
    sources: &[
        "controlplane",
        "controlplane/build.sh",
        "node/modules/cni",
        "node/modules/containerd",
        "node/modules/coredns",
        "node/modules/helm",
        "node/modules/kube-router",
        "node/pause/main.go",
    ],
    binaries: &[
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "containerd",
        "containerd-shim-runc-v2",
        "ctr",
        "bridge",
        "loopback",
        "host-local",
        "portmap",
        "coredns",
        "helm",
        "kube-router",
        "pause",
    ],
};

/// Binaries in one folder.
#[derive(Debug, Clone)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// Those of the control plane: found, or built, which takes about five minutes on 2 cores the first time. Blocks.
    pub fn find() -> Result<Assets> {
        Assets::of(&CONTROL_PLANE)
    }

    /// Those of `recipe`: found, or built. Blocks.
    pub fn of(recipe: &Recipe) -> Result<Assets> {
        if let Some(folder) = std::env::var_os(recipe.variable) {
            return Assets::given(recipe, PathBuf::from(folder));
        }
        let root = Path::new(TESTS);
        Assets::built(recipe, root, &Build::of_this_process()?.target.join(recipe.cache), say)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of them.
    pub fn path(&self, binary: &str) -> PathBuf {
        self.folder.join(binary)
    }

    fn given(recipe: &Recipe, folder: PathBuf) -> Result<Assets> {
        let lacking: Vec<&str> =
            recipe.binaries.iter().copied().filter(|binary| !folder.join(binary).is_file()).collect();
        if lacking.is_empty() {
            return Ok(Assets { folder });
        }
        Err(AssetError::Missing(format!(
            "{} is {}, where there is no {}: put it there, or unset the variable to have all built",
            recipe.variable,
            folder.display(),
            lacking.join(", no ")
        )))
    }

    /// `report` is told what takes long.
    fn built(recipe: &Recipe, root: &Path, cache: &Path, report: fn(&str)) -> Result<Assets> {
        let folder = cache.join(fingerprint(recipe, root)?);
        if folder.is_dir() {
            return Ok(Assets { folder });
        }
        create_folder(cache)?;
        let _lock = lock(&cache.join("lock"), &format!("it builds {}", recipe.what), report)?;
        if !folder.is_dir() {
            // Only a finished build gets the name under which it is looked for.
            let unfinished = folder.with_extension("unfinished");
            build(recipe, root, &unfinished, report)?;
            std::fs::rename(&unfinished, &folder).map_err(AssetError::io("rename", &unfinished))?;
        }
        Ok(Assets { folder })
    }
}

/// The first 16 hex digits of SHA-256 over the files that decide what is built.
fn fingerprint(recipe: &Recipe, root: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut files = vec![root.join(recipe.script)];
    for source in recipe.sources {
        let path = root.join(source);
        match path.is_dir() {
            true => files.extend(["go.mod", "go.sum"].map(|name| path.join(name))),
            false => files.push(path),
        }
    }
    for file in files {
        let content = std::fs::read(&file).map_err(AssetError::io("read", &file))?;
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(AssetError::io("create the folder", folder))
}

fn build(recipe: &Recipe, root: &Path, folder: &Path, report: fn(&str)) -> Result<()> {
    if Command::new("go").arg("version").stdout(Stdio::null()).status().is_err() {
        return Err(AssetError::Missing(format!(
            "the tests need {}: install Go 1.26 and they build it, or set {} to a folder with {}",
            recipe.what,
            recipe.variable,
            recipe.binaries.join(", ")
        )));
    }
    report(&format!(
        "building {} into {}, once: about 5 minutes on 2 cores, 1 with a warm Go build cache",
        recipe.what,
        folder.display()
    ));
    let started = Instant::now();
    create_folder(folder)?;
    // A file: the output of a build of minutes is worth looking at while it runs.
    let log = folder.with_extension("log");
    let output = File::create(&log).map_err(AssetError::io("create the log", &log))?;
    let script = root.join(recipe.script);
    let status = Command::new("sh")
        .arg(&script)
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .status()
        .map_err(AssetError::io("run", &script))?;
    if !status.success() {
        return Err(AssetError::Command {
            command: format!("{} {}", script.display(), folder.display()),
            status,
            output: std::fs::read_to_string(&log).unwrap_or_default(),
        });
    }
    report(&format!("built {} in {} s", recipe.what, started.elapsed().as_secs()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(_: &str) {}

    /// A folder with the module of [`CONTROL_PLANE`], whose script makes one file, or fails.
    fn module(script: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let module = root.path().join("controlplane");
        std::fs::create_dir(&module).unwrap();
        std::fs::write(module.join("go.mod"), "module x").unwrap();
        std::fs::write(module.join("go.sum"), "").unwrap();
        std::fs::write(module.join("build.sh"), script).unwrap();
        root
    }

    fn built(module: &tempfile::TempDir, cache: &tempfile::TempDir) -> Result<Assets> {
        Assets::built(&CONTROL_PLANE, module.path(), cache.path(), silent)
    }

    #[test]
    fn a_folder_without_all_binaries_is_refused_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for binary in ["etcd", "kubectl"] {
            std::fs::write(folder.path().join(binary), "").unwrap();
        }
        let error = Assets::given(&CONTROL_PLANE, folder.path().to_path_buf()).unwrap_err().to_string();
        assert!(error.contains("no kube-apiserver, no kube-controller-manager"), "{error}");
    }

    #[test]
    fn a_changed_module_is_built_anew_and_an_unchanged_one_is_not() {
        let cache = tempfile::tempdir().unwrap();
        let module = module("echo >> \"$1/etcd\"");
        let first = built(&module, &cache).unwrap();
        let again = built(&module, &cache).unwrap();
        assert_eq!(first.folder, again.folder);
        assert_eq!(std::fs::read_to_string(first.path("etcd")).unwrap(), "\n", "built once");

        std::fs::write(module.path().join("controlplane/go.sum"), "another version").unwrap();
        let other = built(&module, &cache).unwrap();
        assert_ne!(first.folder, other.folder);
        assert!(other.path("etcd").is_file());
    }

    #[test]
    fn those_who_ask_at_the_same_time_wait_for_one_build() {
        let cache = tempfile::tempdir().unwrap();
        let module = module("sleep 0.3; echo >> \"$1/etcd\"");
        let folders = std::thread::scope(|scope| {
            let ask = || built(&module, &cache).unwrap();
            [scope.spawn(ask), scope.spawn(ask), scope.spawn(ask)].map(|asker| asker.join().unwrap())
        });
        for assets in folders {
            assert_eq!(std::fs::read_to_string(assets.path("etcd")).unwrap(), "\n", "built once");
        }
    }

    #[test]
    fn a_failed_build_leaves_nothing_that_is_taken_for_a_finished_one() {
        let cache = tempfile::tempdir().unwrap();
        let broken = module("echo >> \"$1/etcd\"; echo no disk >&2; exit 1");
        let error = built(&broken, &cache).unwrap_err().to_string();
        assert!(error.contains("no disk"), "{error}");
        assert!(built(&broken, &cache).is_err(), "tried again, not taken as built");
    }

    #[test]
    fn every_file_that_decides_a_build_exists() {
        for recipe in [CONTROL_PLANE, NODE] {
            fingerprint(&recipe, Path::new(TESTS)).unwrap();
        }
    }
}
