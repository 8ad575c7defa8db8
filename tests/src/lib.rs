//! The harness of nearkv's end-to-end tests: the real binaries against a real Kubernetes control plane.
//!
//! A test asks for [`ControlPlane::shared`], a [`TestNamespace`] in it, and the [`nearkv`] processes it
//! needs; everything is on free loopback ports, in folders of its own, and gone afterwards.

pub mod assets;
pub mod binaries;
pub mod control_plane;
pub mod error;
pub mod folders;
pub mod http;
mod kubeconfig;
pub mod kubectl;
mod lock;
pub mod namespace;
pub mod nearkv;
pub mod ports;
pub mod process;
mod service_account_key;
mod watchdog;

pub use control_plane::{ControlPlane, Options};
pub use error::{HarnessError, Result};
pub use kubectl::Kubectl;
pub use namespace::TestNamespace;
pub use process::{Process, Program};
