//! The origin: entries in memory, in key order, and in an [`crate::store::ObjectStore`], where one object, the
//! root, is the commit point and everything else is immutable (design §6).

mod adopt;
mod advance;
mod ages;
pub mod amendment;
mod ask;
mod audit;
mod batch;
mod birth;
pub mod budget;
pub mod checkpoint;
pub mod chunks;
pub mod collect;
mod commit;
mod config;
mod context;
mod declare;
mod declaring;
mod engine;
mod entries;
pub mod fold;
mod follow;
pub mod format;
mod ground;
mod judge;
mod kv;
pub mod load;
mod mutation;
mod next;
mod outcome;
mod pace;
pub mod pacing;
pub mod pages;
mod policy;
mod queue;
mod read;
mod refresh;
mod settings;
mod snapshot;
mod space;
#[cfg(test)]
mod tests;
pub mod upkeep;
pub mod workshop;
mod write;

pub use config::{
    Birth, CacheConfig, Catalog, DEFAULT_MIN_TTL, Declaration, DeclareOutcome, DeclaredEntry, DeletionPolicy,
    Health, NamespaceConfig, Quota, Report,
};
pub use engine::Origin;
pub use mutation::{BulkOutcome, Mutation};
pub use settings::Settings;
