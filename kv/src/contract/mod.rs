//! The contract as types: keys, values, metadata, expirations and versions, validated once where they enter the process;
//! the operations of [`Kv`] and [`Namespaces`] with their options; and their answers with the [`State`] they are true at.

mod answer;
mod cursor;
mod expiration;
mod key;
pub mod limits;
mod metadata;
mod mutation;
mod namespace;
mod namespaces;
mod operations;
mod state;
mod value;
mod version;

pub use answer::{Answer, Entry, Listed, Lookup, Page};
pub use cursor::Cursor;
pub use expiration::{Expiration, ExpirationRequest};
pub use key::{Key, Prefix};
pub use metadata::Metadata;
pub use mutation::{BulkOutcome, Mutation};
pub use namespace::{Namespace, NamespaceId};
pub use namespaces::{NamespaceInfo, Namespaces, check_title, namespace_for_title};
pub use operations::{Condition, DeleteOptions, GetOptions, Kv, ListOptions, PutOptions, ReadOptions};
pub use state::{CacheStatus, Freshness, Served, State};
pub use value::Value;
pub use version::{Incarnation, Version};
