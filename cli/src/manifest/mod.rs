//! Manifests: from files to KvNamespaces and ConfigMaps, judged as an API server would judge them.

mod config_map;
mod document;
mod fault;
mod load;

pub use document::{Document, Lines, SyntaxError, member, parse};
pub use fault::{Fault, Faults};
pub use load::{DEFAULT_ACCOUNT, Manifests, load};
