//! The origin: entries in memory, in key order, and in an [`crate::store::ObjectStore`], where one object, the
//! root, is the commit point and everything else is immutable (design §6).

mod config;
pub mod format;

pub use config::{
    Birth, CacheConfig, Catalog, DEFAULT_MIN_TTL, Declaration, DeclareOutcome, DeclaredEntry, DeletionPolicy,
    Health, NamespaceConfig, Quota, Report,
};
