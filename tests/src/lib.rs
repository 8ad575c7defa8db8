//! The harness of nearkv's end-to-end tests: the real binaries against a real Kubernetes control plane.
//!
//! A test asks for [`ControlPlane::shared`], a [`TestNamespace`] in it, and the [`nearkv`] processes it
//! needs; everything is on free loopback ports, in folders of its own, and gone afterwards.

pub mod authority;
pub mod bench;
pub mod binaries;
pub mod cluster;
pub mod control_plane;
pub mod error;
pub mod eventually;
pub mod folders;
pub mod http;
pub mod install;
mod kubeconfig;
pub mod kubectl;
pub mod kv;
pub mod ledger;
pub mod load;
pub mod memory;
pub mod metrics;
pub mod namespace;
pub mod nearkv;
pub mod node;
pub mod ports;
pub mod process;
pub mod reach;
pub mod rounds;
pub mod scenario;
pub mod schemathesis;
pub mod seed;
mod service_account_key;
pub mod tool;
mod watchdog;

pub use cluster::Cluster;
pub use control_plane::{ControlPlane, Options};
pub use error::{HarnessError, Result};
pub use eventually::eventually;
pub use kubectl::Kubectl;
pub use kv::Kv;
pub use namespace::TestNamespace;
pub use process::{Process, Program};
pub use scenario::Scenario;
