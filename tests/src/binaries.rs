//! Builds nearkv's own binaries, as cargo builds the tests themselves, and says where they are.
//!
//! `cargo test` does not build the binaries of other packages, and a test of an old binary proves
//! nothing. Cargo finds in half a second that there is nothing to build, and its own lock keeps
//! test processes that ask at the same time apart.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nearkv_test_assets::{Build, say};

use crate::error::{HarnessError, Result};

/// Cargo sets these for the process it runs. A build script that reads one of them would be run
/// anew by a cargo that inherits it, and everything after it compiled again.
const OF_THE_RUNNING_PACKAGE: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// The paths of nearkv's binaries.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// `nearkv-operator`.
    pub operator: PathBuf,
    /// `nearkv-edge-cache`.
    pub edge_cache: PathBuf,
    /// `kubectl-kv`.
    pub kubectl_kv: PathBuf,
}

impl Binaries {
    /// Builds them with the profile of the running test, once per process. Blocks.
    pub fn build() -> Result<Binaries> {
        static BUILT: Mutex<Option<Binaries>> = Mutex::new(None);
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(binaries) = &*built {
            return Ok(binaries.clone());
        }
        let build = Build::of_this_process()?;
        run_cargo(&build)?;
        let path = |name: &str| build.binaries.join(name);
        let binaries = Binaries {
            operator: path("nearkv-operator"),
            edge_cache: path("nearkv-edge-cache"),
            kubectl_kv: path("kubectl-kv"),
        };
        Ok(built.insert(binaries).clone())
    }
}

fn run_cargo(build: &Build) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from(env!("CARGO")));
    let mut command = Command::new(&cargo);
    for (name, _) in std::env::vars_os() {
        if OF_THE_RUNNING_PACKAGE.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    // The whole workspace: with fewer packages cargo chooses fewer features of their dependencies,
    // and compiles those once more.
    let arguments = ["build", "--workspace", "--bins", "--locked", "--profile", &build.profile];
    say("building nearkv's binaries");
    let output = command
        .args(arguments)
        .arg("--target-dir")
        .arg(&build.target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .map_err(|source| HarnessError::Io {
            action: "run",
            object: cargo.to_string_lossy().into_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(HarnessError::Command {
        command: format!("{} {}", cargo.to_string_lossy(), arguments.join(" ")),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
