//! Finds the binaries of a Kubernetes control plane, and builds them once where there are none.
//!
//! `KUBEBUILDER_ASSETS` names a folder of them. Without it they are built with Go from the module in
//! `tests/controlplane` into a folder of cargo's target folder that is named after that module's
//! content, so that a changed version is another folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::error::{HarnessError, Result};
use crate::folders::{Build, create_folder};
use crate::lock::{lock, say};

/// The environment variable that names a folder of ready binaries, as in kubebuilder's envtest.
pub const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// What has to be in such a folder.
const BINARIES: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

/// The files that decide what is built.
const SOURCES: [&str; 3] = ["go.mod", "go.sum", "build.sh"];

/// The binaries of one Kubernetes version, in one folder.
#[derive(Debug, Clone)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// Finds them, or builds them: about five minutes on 2 cores the first time. Blocks.
    pub fn find() -> Result<Assets> {
        if let Some(folder) = std::env::var_os(ASSETS_VARIABLE) {
            return Assets::given(PathBuf::from(folder));
        }
        let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("controlplane");
        Assets::built(&module, &Build::of_this_process()?.target.join("controlplane"), say)
    }

    /// The path of one of them.
    pub fn path(&self, binary: &str) -> PathBuf {
        self.folder.join(binary)
    }

    fn given(folder: PathBuf) -> Result<Assets> {
        let lacking: Vec<&str> =
            BINARIES.into_iter().filter(|binary| !folder.join(binary).is_file()).collect();
        if lacking.is_empty() {
            return Ok(Assets { folder });
        }
        Err(HarnessError::Missing(format!(
            "{ASSETS_VARIABLE} is {}, where there is no {}: put it there, or unset the variable to have all built",
            folder.display(),
            lacking.join(", no ")
        )))
    }

    /// `report` is told what takes long.
    fn built(module: &Path, cache: &Path, report: fn(&str)) -> Result<Assets> {
        let folder = cache.join(fingerprint(module)?);
        if folder.is_dir() {
            return Ok(Assets { folder });
        }
        create_folder(cache)?;
        let _lock = lock(&cache.join("lock"), "it builds the Kubernetes control plane", report)?;
        if !folder.is_dir() {
            // Only a finished build gets the name under which it is looked for.
            let unfinished = folder.with_extension("unfinished");
            build(module, &unfinished, report)?;
            std::fs::rename(&unfinished, &folder).map_err(HarnessError::io("rename", &unfinished))?;
        }
        Ok(Assets { folder })
    }
}

/// The first 16 hex digits of SHA-256 over the files that decide what is built.
fn fingerprint(module: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for name in SOURCES {
        let file = module.join(name);
        let content = std::fs::read(&file).map_err(HarnessError::io("read", &file))?;
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(content);
    }
    Ok(hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn build(module: &Path, folder: &Path, report: fn(&str)) -> Result<()> {
    if Command::new("go").arg("version").stdout(Stdio::null()).status().is_err() {
        return Err(HarnessError::Missing(format!(
            "the tests need a Kubernetes control plane: install Go 1.26 and they build one, or set {ASSETS_VARIABLE} \
             to a folder with {}",
            BINARIES.join(", ")
        )));
    }
    report(&format!(
        "building etcd and Kubernetes into {}, once: about 5 minutes on 2 cores, 1 with a warm Go build cache",
        folder.display()
    ));
    let started = Instant::now();
    create_folder(folder)?;
    // A file: the output of a build of minutes is worth looking at while it runs.
    let log = folder.with_extension("log");
    let output = File::create(&log).map_err(HarnessError::io("create the log", &log))?;
    let script = module.join("build.sh");
    let status = Command::new("sh")
        .arg(&script)
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .status()
        .map_err(HarnessError::io("run", &script))?;
    if !status.success() {
        return Err(HarnessError::Command {
            command: format!("{} {}", script.display(), folder.display()),
            status,
            stderr: std::fs::read_to_string(&log).unwrap_or_default(),
        });
    }
    report(&format!("built etcd and Kubernetes in {} s", started.elapsed().as_secs()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent(_: &str) {}

    /// A module whose `build.sh` makes one file, or fails.
    fn module(script: &str) -> tempfile::TempDir {
        let module = tempfile::tempdir().unwrap();
        std::fs::write(module.path().join("go.mod"), "module x").unwrap();
        std::fs::write(module.path().join("go.sum"), "").unwrap();
        std::fs::write(module.path().join("build.sh"), script).unwrap();
        module
    }

    #[test]
    fn a_folder_without_all_binaries_is_refused_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for binary in ["etcd", "kubectl"] {
            std::fs::write(folder.path().join(binary), "").unwrap();
        }
        let error = Assets::given(folder.path().to_path_buf()).unwrap_err().to_string();
        assert!(error.contains("no kube-apiserver, no kube-controller-manager"), "{error}");
    }

    #[test]
    fn a_changed_module_is_built_anew_and_an_unchanged_one_is_not() {
        let cache = tempfile::tempdir().unwrap();
        let module = module("echo >> \"$1/etcd\"");
        let first = Assets::built(module.path(), cache.path(), silent).unwrap();
        let again = Assets::built(module.path(), cache.path(), silent).unwrap();
        assert_eq!(first.folder, again.folder);
        assert_eq!(std::fs::read_to_string(first.path("etcd")).unwrap(), "\n", "built once");

        std::fs::write(module.path().join("go.sum"), "another version").unwrap();
        let other = Assets::built(module.path(), cache.path(), silent).unwrap();
        assert_ne!(first.folder, other.folder);
        assert!(other.path("etcd").is_file());
    }

    #[test]
    fn those_who_ask_at_the_same_time_wait_for_one_build() {
        let cache = tempfile::tempdir().unwrap();
        let module = module("sleep 0.3; echo >> \"$1/etcd\"");
        let folders = std::thread::scope(|scope| {
            let ask = || Assets::built(module.path(), cache.path(), silent).unwrap();
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
        let error = Assets::built(broken.path(), cache.path(), silent).unwrap_err().to_string();
        assert!(error.contains("no disk"), "{error}");
        assert!(
            Assets::built(broken.path(), cache.path(), silent).is_err(),
            "tried again, not taken as built"
        );
    }
}
