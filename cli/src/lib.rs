//! `kubectl kv`: Workers KV on the command line, and the development mode that needs no cluster.

pub mod args;
pub mod dev;
pub mod manifest;
pub mod repair;
