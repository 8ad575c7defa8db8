//! The command line: where the earlier version is, and what its flags are.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use nearkv_tests::binaries::Binaries;
use nearkv_tests::{HarnessError, Result};

use crate::version::{Version, Versions};

/// Goes from an earlier version to this one and back under load, one replica at a time, and fails if a read fails or an
/// acknowledged write is lost.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// The repository at the earlier version, built: target/debug has nearkv-operator and nearkv-edge-cache.
    #[arg(long, value_name = "FOLDER")]
    old: PathBuf,
    /// A flag that only operators of the earlier version get; may be repeated.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    old_operator_flag: Vec<String>,
    /// A flag that only operators of this version get; may be repeated.
    #[arg(long, value_name = "FLAG", allow_hyphen_values = true)]
    new_operator_flag: Vec<String>,
    /// The least time that each phase runs under load after its replacements.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    seconds: u64,
}

impl Arguments {
    /// The least time of a phase.
    pub(crate) fn least(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Both versions. Builds this one.
    ///
    /// # Errors
    /// [`HarnessError::Missing`], if the earlier version is not built; those of the build of this one.
    pub(crate) fn versions(self) -> Result<Versions> {
        let built = self.old.join("target/debug");
        let old = Version {
            label: "N",
            operator: built.join("nearkv-operator"),
            edge: built.join("nearkv-edge-cache"),
            crds: self.old.join("crds"),
            operator_flags: self.old_operator_flag,
        };
        for file in [&old.operator, &old.edge, &old.crds] {
            if !file.exists() {
                let advice = "build it there with `cargo build --workspace --bins --locked`";
                return Err(HarnessError::Missing(format!("{} does not exist: {advice}", file.display())));
            }
        }
        let binaries = tokio::task::block_in_place(Binaries::build)?;
        let new = Version {
            label: "N+1",
            operator: binaries.operator,
            edge: binaries.edge_cache,
            crds: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../crds")),
            operator_flags: self.new_operator_flag,
        };
        Ok(Versions { old, new })
    }
}
