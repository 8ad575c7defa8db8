//! The REST face: the Cloudflare API v4 for Workers KV under `/client/v4` (contract §3), the same at every server.
//! What it reads comes from the origin, not from an edge's cache.
//!
//! A request goes: `route` (what the raw path names) → one of the operations → `envelope` (the answer, or the
//! refusal with the contract's code). Bodies are parsed as they stream: `multipart`, and for bulks
//! `scan` (where elements end) → `unescape`, `spool` (a long value) → `array` → `pairs`.

mod account;
mod array;
mod bulk;
mod envelope;
mod face;
mod fault;
mod ids;
mod keys;
mod multipart;
mod namespaces;
mod openapi;
mod pages;
mod pairs;
mod route;
mod scan;
mod spool;
mod unescape;
mod values;

pub(super) use face::RestFace;

/// The path that all of the face is below.
pub(super) const BASE: &str = "/client/v4";
