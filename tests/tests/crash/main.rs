//! `kill -9` under load at random moments: no acknowledged write is lost, none happens twice or
//! comes back, and what was left half-done is cleared away.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod development;

/// How often; each takes about two seconds.
const ROUNDS: u32 = 50;
