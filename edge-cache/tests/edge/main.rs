//! The edge cache's rules on virtual time, each as a sentence, against an upstream that does as the test says.

// All of this is test code, also what stands outside of `#[test]` functions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod coherence;
mod conformance;
mod freshness;
mod harness;
mod lists;
mod outage;
mod process;
mod snapshots;
mod unknown;
mod upstream;
