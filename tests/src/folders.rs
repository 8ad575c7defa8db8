//! Where the harness keeps its files: all of them under cargo's target folder.
//!
//! The target folder is on a real disk (an etcd that syncs needs one, `/tmp` is often memory), is
//! ignored by git, and goes with `cargo clean`. One test process has one run folder in it, which the
//! watchdog removes when the process ends, unless a test panicked: then its logs are worth reading.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nearkv_test_assets::Build;

use crate::error::{HarnessError, Result};
use crate::watchdog::Watchdog;

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
