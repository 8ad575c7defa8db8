//! `kubectl kv` as its users call it: the binary against a development mode, its output, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

mod bulk;
mod endings;
mod moving;
mod namespaces;
mod plugin;
mod printed;
mod values;
