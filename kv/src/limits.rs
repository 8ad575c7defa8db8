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
