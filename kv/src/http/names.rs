//! The header names of the binding face that the `http` crate does not know, and the one text of its own.

use http::HeaderName;

/// Names the KvNamespace (`account/name`) on a request; the whole path is then the key. Wins over the path.
pub static NEARKV_NAMESPACE: HeaderName = HeaderName::from_static("nearkv-namespace");
/// The state at which an answer is true: `<incarnation>.<number>`.
pub static NEARKV_VERSION: HeaderName = HeaderName::from_static("nearkv-version");
/// On a read: the state that the answer must at least show.
pub static NEARKV_MIN_VERSION: HeaderName = HeaderName::from_static("nearkv-min-version");
/// `Age` in milliseconds.
pub static NEARKV_AGE: HeaderName = HeaderName::from_static("nearkv-age");
/// The origin's clock at the moment of the answer, in milliseconds since the Unix epoch.
pub static NEARKV_TIME: HeaderName = HeaderName::from_static("nearkv-time");
/// How long the entry has left, in milliseconds.
pub static NEARKV_EXPIRES_IN: HeaderName = HeaderName::from_static("nearkv-expires-in");
/// The stable word for why a request was refused or failed.
pub static NEARKV_REASON: HeaderName = HeaderName::from_static("nearkv-reason");
/// The metadata's JSON text in raw UTF-8 (contract §1.3, §1.6).
pub static CF_KV_METADATA: HeaderName = HeaderName::from_static("cf-kv-metadata");
/// When the entry ends, in seconds since the Unix epoch.
pub static CF_EXPIRATION: HeaderName = HeaderName::from_static("cf-expiration");
/// The cache's part in a read of values (contract §1.3).
pub static CF_CACHE_STATUS: HeaderName = HeaderName::from_static("cf-cache-status");
/// The cache's part in an answer (RFC 9211).
pub static CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
