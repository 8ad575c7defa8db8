//! How memory keeps up with the store: one `root_watch` for all KvNamespaces of a scope fills an `inbox` each; the
//! `follower` takes the root in (`refresh`), recognises whose it is, and advances to its state. The `canary` proves
//! (`proving`) that this is the newest one, and tells the other `replicas` of this one.

pub(crate) mod advance;
mod canary;
mod compare;
pub(crate) mod create;
pub(crate) mod follower;
pub(crate) mod inbox;
pub(crate) mod own_swaps;
mod proving;
pub(crate) mod reading;
pub(crate) mod recognise;
pub(crate) mod refresh;
pub(crate) mod repair;
mod replicas;
pub(crate) mod root_watch;
