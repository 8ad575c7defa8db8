//! The Kubernetes API of nearkv: the kind `KvNamespace`, its CustomResourceDefinition, and the check that
//! judges a manifest where there is no API server, by the very schema that the API server gets.

mod byte_size;
mod check;
mod crd;
mod kv_namespace;
pub mod manifests;
mod status;

pub use byte_size::{ByteSize, ByteSizeError};
pub use check::{Refusal, parse_manifest};
pub use crd::{crd, crd_yaml};
pub use kv_namespace::{
    BindingSpec, CacheSpec, ConfigMapRef, EntriesFrom, Entry, ExpirationSpec, KvNamespace, KvNamespaceSpec,
    PolicySpec, QuotaSpec,
};
pub use status::{BindingStatus, KvNamespaceStatus};

/// Asks for one repair of the data (design §6 invariant 7), once per value.
pub const REPAIR_ANNOTATION: &str = "nearkv.dev/repair";
/// A word in the value of [`REPAIR_ANNOTATION`]: keys whose entries are not known for certain may be dropped.
pub const ACCEPT_LOSS: &str = "accept-loss";
/// Asks for new binding tokens, once per value.
pub const ROTATE_ANNOTATION: &str = "nearkv.dev/rotate-binding-token";
