//! What bounds the engine: the room in the store, the pace of writes to it, and the deadline of every write.

pub(crate) mod budget;
pub(crate) mod deadline;
pub(crate) mod loads;
pub(crate) mod pacing;
