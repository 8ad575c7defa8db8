//! The origin of nearkv: the entries of KvNamespaces in memory, in key order, and in an [`store::ObjectStore`], where
//! one object, the root, is the commit point and everything else is immutable (design §6). The crate knows neither
//! Kubernetes nor HTTP.
//!
//! **One write.** `kv` finds the `instance` of the KvNamespace; `commit::write` refuses what can be refused at once and
//! puts a long value into chunks (`values`); `commit::committer` queues the request. `commit::cycle` takes all that
//! waits, `commit::judge` judges it against the newest snapshot, `commit::draft_root` makes the next root and the
//! segments that it names, `parts::writer` creates them within `limits::budget`, and the root is swapped. The new
//! snapshot is published in `state::space` before the write is acknowledged. A lost swap begins again from the newest
//! root; an unknown one is resolved by `commit::outcome`.
//!
//! **One read.** `kv` finds the `instance`; `follow::min_version` takes the snapshot from `state::space`, or a newer one
//! from the store where the reader asks for it; `state::read` answers from it without a lock. Long values stream from
//! `values`.
//!
//! **Behind both.** `follow::root_watch` hears of roots that other replicas swap, `follow::refresh` takes them in.
//! `upkeep` folds the log, writes checkpoints, deletes what no root reaches, audits what it does reach, and gives objects
//! their owner.
//!
//! Wings, top to bottom; none imports upward: `upkeep`, `commit`, `follow`, `state`, `values`, `parts`, `metrics`,
//! `limits`, `format`, `store`. Above them stand `engine`, `instance`, `kv` and `exposition`; `config` and `settings` are
//! for all.

mod commit;
mod config;
mod ended;
mod engine;
mod exposition;
mod follow;
pub mod format;
mod instance;
mod kv;
mod limits;
mod metrics;
mod parts;
mod settings;
mod state;
pub mod store;
#[cfg(test)]
mod tests;
mod upkeep;
mod values;

pub use config::{
    CacheConfig, Catalog, DEFAULT_MIN_TTL, Declaration, DeclareOutcome, DeclaredEntry, DeletionPolicy,
    Health, InitialState, NamespaceConfig, OnLoss, Quota, Repair, Report,
};
pub use engine::Origin;
pub use limits::budget::{BUDGET_BYTES, BUDGET_OBJECTS};
pub use limits::pacing::{Pace, PacingSettings};
pub use settings::Settings;
