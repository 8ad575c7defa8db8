//! The clients of Workers KV: `npm ci` of what `tests/conformance` pins. No script of theirs runs at that.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::build::Build;
use crate::error::{AssetError, Result};
use crate::lock::{lock, say};

/// The package with the tests of the clients, and its lock file.
pub const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance");

/// The copy of the lock file that says which versions are there.
const INSTALLED: &str = "node_modules/.installed-lock.json";

/// `npm ci`, unless what the lock file pins is there. Blocks.
///
/// # Errors
/// Where npm is missing, or fails.
pub fn install_clients() -> Result<()> {
    let lock_file = Path::new(CLIENTS).join("package-lock.json");
    let wanted = std::fs::read(&lock_file).map_err(AssetError::io("read", &lock_file))?;
    let installed = Path::new(CLIENTS).join(INSTALLED);
    let guard = Build::of_this_process()?.target.join("conformance.lock");
    let _guard = lock(&guard, "it installs the clients of Workers KV", say)?;
    if std::fs::read(&installed).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    say("installing the clients of Workers KV (npm ci), once: about half a minute");
    let started = Instant::now();
    let output = Command::new("npm")
        .args(["ci", "--no-progress", "--loglevel=error"])
        .current_dir(CLIENTS)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            AssetError::Missing(format!(
                "the tests of real clients need Node and its npm: install Node 20 or newer ({error})"
            ))
        })?;
    if !output.status.success() {
        return Err(AssetError::Command {
            command: format!("npm ci (in {CLIENTS})"),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    // Last, so that an interrupted installation is not taken for a finished one.
    std::fs::write(&installed, wanted).map_err(AssetError::io("write", &installed))?;
    say(&format!("installed the clients of Workers KV in {} s", started.elapsed().as_secs()));
    Ok(())
}
