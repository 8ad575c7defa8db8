//! The edge cache of nearkv: Workers KV reads from memory, near the reader. [`EdgeCache`] is a
//! [`nearkv::Kv`] over any other `Kv`: over the HTTP client in the binary, over the origin itself in
//! development mode, over another edge as a tier.

mod cache;
mod circuit;
mod fetch;
mod flight;
mod floor;
mod freshness;
mod held;
mod kv;
mod landing;
mod life;
mod lists;
mod metrics;
mod settings;
mod slot;
mod writes;

pub use cache::EdgeCache;
pub use circuit::CircuitState;
pub use settings::Settings;
