//! What the engine counts.

pub(crate) mod counters;
