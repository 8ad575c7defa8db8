//! The origin: entries in memory, in key order, and in an [`crate::store::ObjectStore`], where one object, the
//! root, is the commit point and everything else is immutable (design §6).

pub mod amendment;
pub mod budget;
pub mod checkpoint;
pub mod chunks;
pub mod collect;
mod config;
mod engine;
pub mod fold;
pub mod format;
mod kv;
pub mod load;
mod mutation;
pub mod pacing;
pub mod pages;
mod settings;
mod space;
pub mod upkeep;
pub mod workshop;

pub use config::{
    Birth, CacheConfig, Catalog, DEFAULT_MIN_TTL, Declaration, DeclareOutcome, DeclaredEntry, DeletionPolicy,
    Health, NamespaceConfig, Quota, Report,
};
pub use engine::Origin;
pub use mutation::{BulkOutcome, Mutation};
pub use settings::Settings;
