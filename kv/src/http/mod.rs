//! The binding face (design §4) as both sides speak it: names, paths, entity tags, and the headers that carry
//! a [`State`](crate::State). `server` answers it over any [`Kv`](crate::Kv); `client` is a `Kv` that asks it.

#[cfg(feature = "client")]
pub mod client;
pub mod mutations;
pub mod names;
pub mod paths;
pub mod questions;
#[cfg(feature = "server")]
pub mod server;
mod source;
pub mod states;
pub mod tags;
#[cfg(test)]
mod tests;

#[cfg(feature = "client")]
pub use client::Client;
