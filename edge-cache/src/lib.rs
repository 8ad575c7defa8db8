//! The edge cache of nearkv: Workers KV reads from memory, near the reader. [`EdgeCache`] is a
//! [`nearkv::Kv`] over any other `Kv`: over the HTTP client in the binary, over the origin itself in
//! development mode, over another edge as a tier.
//!
//! A read goes: `kv` (the operation) → `cache` (what is held) → `freshness` (may it be served) → `flight` and
//! `fetch` (ask upstream, once per key) → `landing` (keep it, unless a write made it old). A write goes: `writes`
//! (pass through; raise the `floor`; replace what is held; tell the `lists`). What is held outlives the process in a
//! `snapshot`.
//!
//! A whole edge in one process, as `kubectl-kv dev` runs one per region:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use nearkv::{Kv, Namespaces, http::server::serve};
//! # use nearkv_edge_cache::{Region, Settings};
//! # use tokio_util::sync::CancellationToken;
//! # async fn run(origin: Arc<dyn Kv>, namespaces: Arc<dyn Namespaces>, stop: CancellationToken) -> Result<(), Box<dyn std::error::Error>> {
//! let london = Region::new("london".parse()?, origin, &Settings::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8701").await?;
//! serve(listener, london.router(namespaces), stop).await?;
//! london.cache.shutdown().await;
//! # Ok(())
//! # }
//! ```

#[path = "write/bulk.rs"]
mod bulk;
mod cache;
mod causes;
mod circuit;
pub mod cli;
#[path = "fetch/request.rs"]
mod fetch;
#[path = "cache/stripe.rs"]
mod flight;
#[path = "coherence/floor.rs"]
mod floor;
mod freshness;
#[path = "entry/cached_entry.rs"]
mod held;
mod kv;
#[path = "fetch/settle.rs"]
mod landing;
#[path = "coherence/incarnations.rs"]
mod life;
#[path = "coherence/write_log.rs"]
mod lists;
mod metrics;
#[path = "read/from_origin.rs"]
mod past;
mod read;
mod region;
pub mod run;
mod settings;
#[path = "coherence/cache_key.rs"]
mod slot;
mod snapshot;
#[path = "write/mod.rs"]
mod writes;

pub use cache::EdgeCache;
pub use causes::with_causes;
pub use circuit::CircuitState;
pub use region::{Region, RegionName, RegionNameError};
pub use settings::Settings;
pub use snapshot::Snapshots;
