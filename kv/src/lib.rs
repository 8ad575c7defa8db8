//! The Workers KV contract as types: what a key, a value, an expiration and an answer are, which
//! errors there are and how they read, and [`Kv`], the one trait that the origin, the edge cache and
//! the HTTP client implement. Knows neither Kubernetes nor a cache.

pub mod access;
mod answer;
mod clock;
pub mod coalesce;
mod cursor;
mod error;
mod expiration;
pub mod http;
#[cfg(feature = "server")]
mod huge_pages;
mod key;
pub mod limits;
mod metadata;
#[cfg(feature = "server")]
pub mod metrics;
mod mutation;
mod namespace;
mod namespaces;
mod operations;
mod random;
mod reread;
mod state;
#[cfg(feature = "server")]
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod value;
mod version;

pub use answer::{Answer, Entry, Listed, Lookup, Page};
pub use clock::{Clock, SystemClock, UnixMillis, VirtualClock};
pub use cursor::Cursor;
pub use error::{Error, Reason};
pub use expiration::{Expiration, ExpirationRequest};
#[cfg(feature = "server")]
pub use huge_pages::do_without_huge_pages;
pub use key::{Key, Prefix};
pub use metadata::Metadata;
pub use mutation::{BulkOutcome, Mutation};
pub use namespace::{Namespace, NamespaceId};
pub use namespaces::{NamespaceInfo, Namespaces, check_title, namespace_for_title};
pub use operations::{Condition, DeleteOptions, GetOptions, Kv, ListOptions, PutOptions, ReadOptions};
pub use random::Random;
pub use state::{CacheStatus, Freshness, Served, State};
pub use value::Value;
pub use version::{Incarnation, Version};
