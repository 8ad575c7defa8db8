//! One region's edge: the cache, and the routers that serve it. The binary runs one over the HTTP client; development
//! mode runs one per region in one process, over the origin itself.

use std::{fmt, str::FromStr, sync::Arc};

use axum::Router;
use nearkv::{
    Kv, Namespaces,
    access::Guard,
    http::server::{self, Admin, Requests},
    telemetry::LogFilter,
};
use tokio_util::sync::CancellationToken;

use crate::{EdgeCache, Settings};

/// Longest name of a region: it is used in a label and in a header.
const MAX_REGION_BYTES: usize = 63;

/// The name of a region: a DNS label, so that it fits into Kubernetes labels and into `Cache-Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionName(String);

/// A region's name is not a DNS label.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no name for a region; please use 1 to 63 lower-case letters, digits and inner dashes, like `london`"
)]
pub struct RegionNameError(String);

impl FromStr for RegionName {
    type Err = RegionNameError;

    fn from_str(text: &str) -> Result<Self, RegionNameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_label = (1..=MAX_REGION_BYTES).contains(&text.len())
            && text.bytes().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        is_label.then(|| Self(text.to_owned())).ok_or_else(|| RegionNameError(text.to_owned()))
    }
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A region's edge. Its owner serves [`Region::router`] and ends it with [`EdgeCache::shutdown`], once the server has
/// drained.
pub struct Region<K> {
    /// Its name.
    pub name: RegionName,
    /// Its cache.
    pub cache: EdgeCache<K>,
    /// Decides what a caller may do. `None` permits everything.
    pub guard: Option<Arc<Guard>>,
    requests: Arc<Requests>,
}

impl<K: Kv> Region<K> {
    /// An edge with an empty cache in front of `upstream`: the origin, another edge, or a client of either.
    #[must_use]
    pub fn new(name: RegionName, upstream: K, settings: &Settings) -> Self {
        let (cache, requests) = (EdgeCache::new(upstream, settings), Arc::default());
        cache.add_requests(&requests);
        Self { name, cache, guard: None, requests }
    }

    /// Both faces over the cache, for a data listener. `namespaces` is upstream's: an edge caches nothing of it.
    pub fn router(&self, namespaces: Arc<dyn Namespaces>) -> Router {
        let settings = server::Settings {
            region: Some(self.name.to_string()),
            guard: self.guard.clone(),
            requests: Arc::clone(&self.requests),
        };
        server::router(Arc::new(self.cache.clone()), namespaces, &settings)
    }

    /// `/livez`, `/readyz`, `/metrics` and `/log`, for an admin listener. The edge is ready once upstream has answered for
    /// the first time, and stays so: it has its cache also if upstream becomes unreachable. An edge that started with a
    /// snapshot is ready at once, unless it has a guard, which needs upstream's decisions. It is not ready from
    /// `leaving` on. `upstream` is the name of upstream in the text of `/readyz`. `/log` shows and changes `log`.
    pub fn admin_router(
        &self,
        upstream: &str,
        log: Option<LogFilter>,
        leaving: &CancellationToken,
    ) -> Router {
        let admin = EdgeAdmin {
            cache: self.cache.clone(),
            has_guard: self.guard.is_some(),
            upstream: upstream.to_owned(),
            leaving: leaving.clone(),
        };
        server::admin_router(Arc::new(admin), log)
    }
}

struct EdgeAdmin<K> {
    cache: EdgeCache<K>,
    /// Whether there is a guard.
    has_guard: bool,
    upstream: String,
    leaving: CancellationToken,
}

impl<K: Kv> Admin for EdgeAdmin<K> {
    fn waits_for(&self) -> Option<String> {
        if self.leaving.is_cancelled() {
            return Some("its end: shutting down".to_owned());
        }
        let ready = self.cache.has_upstream_answered() || (self.cache.started_warm() && !self.has_guard);
        (!ready).then(|| format!("the first answer of {}", self.upstream))
    }

    fn metrics(&self) -> String {
        self.cache.metrics_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_named_by_a_dns_label() {
        for good in ["london", "eu-west-1", "x", &"r".repeat(63)] {
            assert_eq!(good.parse::<RegionName>().unwrap().to_string(), good);
        }
        for bad in ["", "London", "-x", "x-", "a b", "a;b", "é", &"r".repeat(64)] {
            assert!(bad.parse::<RegionName>().unwrap_err().to_string().contains("`london`"), "{bad}");
        }
    }
}
