//! The only way to a new state of a KvNamespace. A write comes through `write.rs` (or `declared_values.rs`), waits in the
//! `queue` as a `request` until the committer has its `turn`, and is taken into a `batch` by the commit `cycle`, which
//! `judge`s it, makes the `draft_root`, swaps it, and resolves the `outcome`.

pub(crate) mod amendment;
pub(crate) mod attempt;
pub(crate) mod batch;
pub(crate) mod committer;
pub(crate) mod cycle;
pub(crate) mod declare;
pub(crate) mod declared_values;
pub(crate) mod draft_root;
pub(crate) mod gather;
pub(crate) mod inline_lines;
pub(crate) mod judge;
pub(crate) mod outcome;
pub(crate) mod presealed;
pub(crate) mod queue;
pub(crate) mod request;
pub(crate) mod turn;
pub(crate) mod write;
