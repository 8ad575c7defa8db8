//! Where the harness keeps its files: all of them under cargo's target folder.
//!
//! The target folder is on a real disk (an etcd that syncs needs one, `/tmp` is often memory), is
//! ignored by git, and goes with `cargo clean`. One test process has one run folder in it, which the
//! watchdog removes when the process ends, unless a test panicked: then its logs are worth reading.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{HarnessError, Result};
use crate::watchdog::Watchdog;

/// How the running test was built, read from the place of its executable.
#[derive(Debug, Clone)]
pub struct Build {
    /// Cargo's target folder.
    pub target: PathBuf,
    /// The cargo profile: `dev`, `release` or the name of another one.
    pub profile: String,
    /// The folder that binaries of this profile are put into, e.g. `target/debug`.
    pub binaries: PathBuf,
}

impl Build {
    /// Of the running executable: `TARGET/PROFILE/NAME`, `TARGET/PROFILE/deps/NAME` (a test) or
    /// `TARGET/PROFILE/examples/NAME`.
    pub fn of_this_process() -> Result<Build> {
        let executable = std::env::current_exe().map_err(|source| HarnessError::Io {
            action: "find",
            object: "the running executable".to_owned(),
            source,
        })?;
        Build::of(&executable).ok_or_else(|| {
            HarnessError::Missing(format!(
                "{} is not in a cargo target folder: run it through cargo test or cargo run",
                executable.display()
            ))
        })
    }

    fn of(executable: &Path) -> Option<Build> {
        let mut binaries = executable.parent()?;
        if matches!(binaries.file_name()?.to_str()?, "deps" | "examples") {
            binaries = binaries.parent()?;
        }
        let folder = binaries.file_name()?.to_str()?;
        // Cargo's names: the profile `dev` is built into `debug`, every other into its own name.
        let profile = if folder == "debug" { "dev" } else { folder };
        Some(Build {
            target: binaries.parent()?.to_path_buf(),
            profile: profile.to_owned(),
            binaries: binaries.to_path_buf(),
        })
    }
}

/// The folder of this test process, made on first use; logs of its processes and their data are in it.
pub fn run_folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = FOLDER.get() {
        return Ok(folder);
    }
    let name = std::env::current_exe()
        .ok()
        .and_then(|executable| Some(executable.file_stem()?.to_str()?.to_owned()))
        .unwrap_or_else(|| "process".to_owned());
    let folder = Build::of_this_process()?.target.join("e2e").join(format!("{name}.{}", std::process::id()));
    create_folder(&folder)?;
    Ok(FOLDER.get_or_init(|| folder))
}

/// A new empty folder in the run folder, its name starting with `name`.
pub fn new_folder(name: &str) -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let folder = run_folder()?.join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    create_folder(&folder)?;
    Ok(folder)
}

/// Keeps the run folder when this process ends: its logs are to be looked at.
pub fn keep_run_folder() -> Result<()> {
    Watchdog::of_this_process()?.keep_folder()
}

pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(HarnessError::io("create the folder", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_is_read_from_the_place_of_the_executable() {
        for (executable, target, profile) in [
            ("/w/target/debug/deps/cluster-1f", "/w/target", "dev"),
            ("/w/target/release/examples/bench", "/w/target", "release"),
            ("/w/target/x86_64-unknown-linux-musl/lean/tool", "/w/target/x86_64-unknown-linux-musl", "lean"),
        ] {
            let build = Build::of(Path::new(executable)).unwrap();
            assert_eq!(build.target, Path::new(target), "{executable}");
            assert_eq!(build.profile, profile, "{executable}");
        }
    }
}
