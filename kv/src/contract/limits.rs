//! The limits of Workers KV (contract §2.1 and §4.1). Every number that a user can run into stands here.

use std::time::Duration;

/// Longest key, in bytes of UTF-8. Also the longest list prefix.
pub const MAX_KEY_BYTES: usize = 512;
/// Longest value, in bytes: 25 MiB.
pub const MAX_VALUE_BYTES: u64 = 25 * 1024 * 1024;
/// Longest metadata, in bytes of its JSON text.
pub const MAX_METADATA_BYTES: usize = 1024;
/// Most keys on one page of a list; also the default.
pub const MAX_LIST_KEYS: usize = 1000;
/// Most keys in one bulk get.
pub const MAX_BULK_GET_KEYS: usize = 100;
/// Most bytes of values in the answer of one bulk get.
pub const MAX_BULK_GET_BYTES: u64 = 25 * 1024 * 1024;
/// Lowest `cache_ttl` a read may ask for (30 s since 2026-01-30, contract §4.3).
pub const MIN_CACHE_TTL: Duration = Duration::from_secs(30);
/// Lowest time to live of an entry, unless `spec.expiration.minTtlSeconds` of the KvNamespace lowers it.
pub const MIN_EXPIRATION_TTL: Duration = Duration::from_secs(60);
/// Longest title of a KvNamespace, in characters (contract §3.1).
pub const MAX_TITLE_CHARS: usize = 512;
/// Most pairs in one bulk put, and most keys in one bulk delete (contract §4.1).
pub const MAX_BULK_WRITES: u64 = 10_000;
/// Longest body of a bulk put or bulk delete, in bytes (contract §4.1).
pub const MAX_BULK_BYTES: u64 = 100 * 1024 * 1024;
/// Fewest keys that a page of a list over REST may be asked for (contract §3.1).
pub const MIN_REST_LIST_KEYS: usize = 10;
/// Most KvNamespaces on one page over REST: what wrangler asks for (contract §3.3).
pub const MAX_REST_NAMESPACES: usize = 1000;
/// KvNamespaces on a page over REST that is asked for without a size.
pub const REST_NAMESPACES: usize = 20;
