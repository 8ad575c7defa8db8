//! Compiles the binaries to static ones, with what is on any machine that can compile them at all: glibc, linked
//! statically. Since 2.34 it carries the name service for files and DNS in itself, so such a program resolves names
//! in an empty file system. The musl target would need a second standard library, which only rustup's own host has.

use std::{
    error::Error,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{catalog::IMAGES, sbom::Materials};

/// The target of this program itself: a name is needed, because without one the flags would also be those of build
/// scripts and macros, which cannot be static.
pub(crate) const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// Compiles them, and says in which folder they are.
pub(crate) fn compile(materials: &Materials, profile: &str) -> Result<PathBuf, Box<dyn Error>> {
    let root = materials.root();
    // Where the sources were is no property of an image.
    let flags = [
        "-Ctarget-feature=+crt-static".to_owned(),
        format!("--remap-path-prefix={}=/nearkv", root.display()),
        format!("--remap-path-prefix={}=/cargo", cargo_home().display()),
    ];
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--locked", "--target", TARGET, "--profile", profile])
        .arg("--target-dir")
        .arg(materials.target())
        .current_dir(root)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .stdin(Stdio::null());
    for image in &IMAGES {
        command.args(["--package", image.binary]);
    }
    // The plugin in full: without it, what the README's first command builds.
    command.args(["--features", "kubectl-kv/cluster"]);
    let status = command.status().map_err(|error| format!("failed to run cargo: {error}"))?;
    if !status.success() {
        return Err(format!("the static binaries could not be compiled: cargo ended with {status}").into());
    }
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(materials.target().join(TARGET).join(folder))
}

fn cargo_home() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).unwrap_or_default()
}
