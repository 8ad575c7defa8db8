//! `kubectl kv`: Workers KV on the command line, and the development mode that needs no cluster.

pub mod args;
#[cfg(feature = "cluster")]
pub mod cluster;
#[cfg(not(feature = "cluster"))]
#[path = "cluster_absent.rs"]
pub mod cluster;
pub mod commands;
pub mod dev;
pub mod entries;
pub mod exit;
pub mod failure;
pub mod formats;
pub mod json_array;
pub mod manifest;
pub mod pair;
pub mod progress;
pub mod reach;
pub mod sink;
pub mod source;
pub mod terminal;
