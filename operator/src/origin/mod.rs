//! The origin: entries in memory, in key order, and in an [`crate::store::ObjectStore`], where one object, the
//! root, is the commit point and everything else is immutable (design §6).

mod adopt;
mod advance;
mod ages;
mod amendment;
mod aside;
mod ask;
mod attempt;
mod audit;
mod batch;
mod birth;
mod budget;
mod checkpoint;
mod chunks;
mod collect;
mod commit;
mod config;
mod context;
mod counters;
mod declare;
mod declaring;
mod engine;
mod entries;
mod exposition;
mod fold;
mod follow;
pub mod format;
mod ground;
mod inbox;
mod judge;
mod kv;
mod load;
mod next;
mod outcome;
mod pace;
mod pacing;
mod pages;
mod patience;
mod policy;
mod queue;
mod read;
mod refresh;
mod settings;
mod sizes;
mod snapshot;
mod space;
mod standing;
#[cfg(test)]
mod tests;
mod underway;
mod upkeep;
mod workshop;
mod write;
mod writers;

pub use budget::{BUDGET_BYTES, BUDGET_OBJECTS};
pub use config::{
    Birth, CacheConfig, Catalog, DEFAULT_MIN_TTL, Declaration, DeclareOutcome, DeclaredEntry, DeletionPolicy,
    Health, NamespaceConfig, Quota, Report,
};
pub use engine::Origin;
pub use pacing::PacingSettings;
pub use settings::Settings;
