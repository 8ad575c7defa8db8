//! The origin: entries in memory, in key order, and in an [`crate::store::ObjectStore`], where one object, the
//! root, is the commit point and everything else is immutable (design §6).

mod config;
mod engine;
pub mod format;
mod kv;
mod mutation;
mod settings;
mod space;

pub use config::{
    Birth, CacheConfig, Catalog, DEFAULT_MIN_TTL, Declaration, DeclareOutcome, DeclaredEntry, DeletionPolicy,
    Health, NamespaceConfig, Quota, Report,
};
pub use engine::Origin;
pub use mutation::{BulkOutcome, Mutation};
pub use settings::Settings;
