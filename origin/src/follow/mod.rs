//! How memory keeps up with the store: one `root_watch` for all KvNamespaces fills an `inbox` each; the `follower` takes
//! the root in (`refresh`), recognises whose it is, and advances to its state.

pub(crate) mod advance;
mod compare;
pub(crate) mod create;
pub(crate) mod follower;
pub(crate) mod inbox;
pub(crate) mod min_version;
pub(crate) mod own_swaps;
pub(crate) mod recognise;
pub(crate) mod refresh;
pub(crate) mod repair;
pub(crate) mod root_watch;
