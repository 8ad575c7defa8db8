//! Who may read and write, on a real API server with RBAC: ServiceAccounts and bindings, at the operator, at an edge and
//! at an edge in front of an edge. Decisions are remembered for two seconds here, so that no test waits a minute; that
//! the limits are 60 s and 30 s is tested on virtual time (`kv/src/access/tests.rs`).

#![allow(
    clippy::unwrap_used,
    reason = "clippy sees only functions marked as tests as such, not their helpers"
)]

mod accounts;
mod bindings;
mod outages;
mod world;
