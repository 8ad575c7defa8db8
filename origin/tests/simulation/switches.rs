//! Generators and judgements that would find a fault which the engine is known to have: off, each with the fault's
//! name, until it is mended. Nothing else may be off.

/// Off: one lost segment makes every key uncertain, and a repair drops them all (issue 12, item 1).
pub(crate) const A_LOST_SEGMENT_LOSES_ITS_OWN_KEYS: bool = true;
/// Off: repair swaps what memory holds over a root that is newer than memory (issue 12, item 1).
pub(crate) const REPAIR_DURING_TRAFFIC: bool = true;
/// Off: ended entries keep the budget full (issue 12, item 2).
pub(crate) const LARGE_VALUES_WITH_SHORT_LIVES: bool = true;
/// Off: with one damaged part nothing is folded or collected (issue 12, item 5).
pub(crate) const DAMAGE_STAYS_WHERE_IT_IS: bool = true;
/// Off: an answer may be late by several calls of the store (issue 12, item 7).
pub(crate) const WRITES_KEEP_THEIR_DEADLINE: bool = true;
