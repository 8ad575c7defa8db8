//! The edge cache of nearkv: Workers KV reads from memory, near the reader. [`EdgeCache`] is a [`nearkv::Kv`] over any
//! other `Kv`: over the HTTP client in the binary, over the origin itself in development mode, over another edge as a
//! tier.
//!
//! A read: `kv` names the answer by a key of the cache and passes it to `read`. `read` looks it up in `cache`, and
//! `freshness` decides whether it may be served. If not, `fetch` joins or starts the one fetch of that key, unless the
//! `circuit` is open. The fetch caches its result, unless a write made it old (`coherence`).
//!
//! A write: `kv` passes it to `write`, which sends it upstream. Before the client gets the acknowledgement, `write` raises
//! the key's floor and appends to the log in `coherence`, and replaces or drops the cached answer.
//!
//! `snapshot` saves the entries and loads them at the next start. `region` puts the HTTP server on top, `run` is the
//! process. Folders import downwards only, in this order: `snapshot`, `write` and `read`, `fetch`, `cache`, `freshness`,
//! `entry`, `coherence`, `metrics`. The files `circuit`, `causes` and `settings` are below all of them.
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

mod cache;
mod causes;
mod circuit;
pub mod cli;
mod coherence;
mod entry;
mod fetch;
mod freshness;
mod kv;
mod metrics;
mod read;
mod region;
pub mod run;
mod settings;
mod snapshot;
mod write;

pub use cache::EdgeCache;
pub use causes::with_causes;
pub use circuit::CircuitState;
pub use region::{Region, RegionName, RegionNameError};
pub use settings::Settings;
pub use snapshot::Snapshots;
