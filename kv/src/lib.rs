//! The Workers KV contract, and what every nearkv process is made of besides its storage: the trait [`Kv`] that the
//! origin, the edge cache and the HTTP client implement, the HTTP server in front of a `Kv`, and the access check
//! between both. Knows neither Kubernetes nor a cache.
//!
//! A read: `http::server::serve` accepts the connection. `http::server` takes the caller off the request and passes it to
//! one of its faces (`face` for bindings, `rest` for the REST API), which parses the key and the options into the types of
//! `contract`. `access::Guarded` checks the very operation: its `Guard` uses a cached decision, or requests one from the
//! `Authority`, once for all callers at the same time (`coalesce`). Then the `Kv` behind it answers. At an edge it may
//! ask its upstream with `http::client::Client`, which is a `Kv` too. The answer has a `State`: its version, age, time
//! and freshness. `http::states` writes it as headers at the server, and reads it back at the client.
//!
//! A write: the same way in. The body streams through as a `Value`, which enforces the limit of its length. A bulk write is
//! a stream of `Mutation`s (`http::mutations`). The client sends a write with the token of its caller (`access::Caller`)
//! and never sends it twice: if the answer is lost, the error is `outcome-unknown`.
//!
//! Every refusal is an `Error`: `error::reason` has its stable reason and status, `error::texts` what a client reads.
//! `testing` has the cases that every implementation of `Kv` must pass.

pub mod access;
mod clock;
pub mod coalesce;
mod contract;
mod error;
pub mod http;
#[cfg(feature = "server")]
mod huge_pages;
#[cfg(feature = "server")]
pub mod metrics;
mod random;
mod reread;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

pub use clock::{Clock, SystemClock, UnixMillis, VirtualClock};
pub use contract::{
    Answer, BulkOutcome, CacheStatus, Condition, Cursor, DeleteOptions, Entry, Expiration, ExpirationRequest,
    Freshness, GetOptions, Incarnation, Key, Kv, ListOptions, Listed, Lookup, Metadata, Mutation, Namespace,
    NamespaceId, NamespaceInfo, Namespaces, Page, Prefix, PutOptions, ReadOptions, Served, State, Value,
    Version, check_title, limits, namespace_for_title,
};
pub use error::{Error, Reason};
#[cfg(feature = "server")]
pub use huge_pages::do_without_huge_pages;
pub use random::Random;
