//! How the running program was built, read from the place of its executable: everything that is kept between runs is
//! in the same target folder.

use std::path::{Path, PathBuf};

use crate::error::{AssetError, Result};

/// How the running program was built, read from the place of its executable.
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
        let executable = std::env::current_exe().map_err(|source| AssetError::Io {
            action: "find",
            object: "the running executable".to_owned(),
            source,
        })?;
        Build::of(&executable).ok_or_else(|| {
            AssetError::Missing(format!(
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
