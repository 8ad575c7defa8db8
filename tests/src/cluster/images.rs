//! The images of a cluster's pods: nearkv's, packed by the repository's own program, and the two that a node needs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nearkv_test_assets::{Assets, Build, say};

use crate::binaries::Binaries;
use crate::error::{HarnessError, Result};
use crate::folders::create_folder;

/// The environment variable that names a folder with nearkv's images, made by `nearkv-images --tag test`.
pub const IMAGES_VARIABLE: &str = "NEARKV_TEST_IMAGES";

/// What is in such a folder, as `NAME.tar`; in the cluster it is `localhost/NAME:test`.
const NAMES: [&str; 3] = ["nearkv-operator", "nearkv-edge-cache", "kubectl-kv"];

/// What a node needs: each is one static program of its binaries.
const OF_A_NODE: [&str; 2] = ["pause", "coredns"];

/// nearkv's images, in a folder.
#[derive(Debug, Clone)]
pub struct Images {
    folder: PathBuf,
}

impl Images {
    /// The registry of their names, for the chart's values.
    pub const REGISTRY: &str = "localhost";
    /// Their tag.
    pub const TAG: &str = "test";

    /// Those of [`IMAGES_VARIABLE`], or else made here, from a static release build: several minutes the first time, and
    /// seconds when nothing has changed. Blocks.
    pub fn find() -> Result<Images> {
        if let Some(folder) = std::env::var_os(IMAGES_VARIABLE) {
            return Images::given(PathBuf::from(folder));
        }
        static MADE: Mutex<Option<Images>> = Mutex::new(None);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(images) = &*made {
            return Ok(images.clone());
        }
        let images = make()?;
        Ok(made.insert(images).clone())
    }

    /// The archive of one of them.
    pub fn archive(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.tar"))
    }

    fn given(folder: PathBuf) -> Result<Images> {
        let images = Images { folder };
        let lacking: Vec<&str> = NAMES.into_iter().filter(|name| !images.archive(name).is_file()).collect();
        if lacking.is_empty() {
            return Ok(images);
        }
        Err(HarnessError::Missing(format!(
            "{IMAGES_VARIABLE} is {}, where there is no {}.tar: run nearkv-images --tag {} --out there, or unset it",
            images.folder.display(),
            lacking.join(".tar, no "),
            Images::TAG
        )))
    }

    /// Puts them, and those of a node, into the new folder `folder`.
    pub(super) fn put_into(&self, folder: &Path, node: &Assets) -> Result<()> {
        create_folder(folder)?;
        for name in NAMES {
            link(&self.archive(name), &folder.join(format!("{name}.tar")))?;
        }
        for name in OF_A_NODE {
            let archive = node.folder().join(format!("{name}.tar"));
            if !archive.is_file() {
                let unfinished = node.folder().join(format!("{name}.{}.unfinished", std::process::id()));
                pack(&node.path(name), name, &unfinished)?;
                std::fs::rename(&unfinished, &archive).map_err(HarnessError::io("rename", &unfinished))?;
            }
            link(&archive, &folder.join(format!("{name}.tar")))?;
        }
        Ok(())
    }
}

/// A link costs nothing; where the folders are on different disks it is a copy.
fn link(from: &Path, to: &Path) -> Result<()> {
    std::fs::hard_link(from, to)
        .or_else(|_| std::fs::copy(from, to).map(|_| ()))
        .map_err(HarnessError::io("copy", from))
}

/// `localhost/NAME:1` of one program.
fn pack(program: &Path, name: &'static str, archive: &Path) -> Result<()> {
    let binary = std::fs::read(program).map_err(HarnessError::io("read", program))?;
    let failed = |source| HarnessError::Io { action: "pack", object: name.to_owned(), source };
    let packed = nearkv_images::of_program(name, binary, "localhost", "1").map_err(failed)?;
    std::fs::write(archive, packed).map_err(HarnessError::io("write", archive))
}

fn make() -> Result<Images> {
    let build = Build::of_this_process()?;
    let binaries = Binaries::build()?;
    let folder = build.target.join("images").join(Images::TAG);
    say("compiling nearkv's static binaries and packing their images: several minutes the first time");
    let program = binaries.operator.with_file_name("nearkv-images");
    let output = Command::new(&program)
        .args(["--registry", Images::REGISTRY, "--tag", Images::TAG, "--out"])
        .arg(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(HarnessError::io("run", &program))?;
    if !output.status.success() {
        return Err(HarnessError::Command {
            command: program.display().to_string(),
            status: output.status,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Images::given(folder)
}
