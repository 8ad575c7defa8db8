//! Requests of the client: where they go, and the options as query and headers.

use std::{fmt::Write, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    ExpirationRequest, Key, ListOptions, Namespace, ReadOptions,
    http::{names, paths::encode},
};

/// A path below the base, with its query.
pub(super) struct Target<'a> {
    namespace: &'a Namespace,
    key: Option<&'a Key>,
    query: String,
}

impl<'a> Target<'a> {
    pub(super) fn key(namespace: &'a Namespace, key: &'a Key) -> Self {
        Self { namespace, key: Some(key), query: String::new() }
    }

    pub(super) fn list(namespace: &'a Namespace, options: &ListOptions) -> Self {
        let ListOptions { prefix, limit, cursor, read: _ } = options;
        let mut target = Self { namespace, key: None, query: String::new() };
        if let Some(limit) = limit {
            target = target.with("key_count_limit", limit);
        }
        if !prefix.as_str().is_empty() {
            target = target.with("prefix", encode(prefix.as_str()));
        }
        match cursor {
            Some(cursor) => target.with("cursor", cursor),
            None => target,
        }
    }

    pub(super) fn cache_ttl(self, ttl: Option<Duration>) -> Self {
        match ttl {
            Some(ttl) => self.with("cache_ttl", ttl.as_secs()),
            None => self,
        }
    }

    pub(super) fn expiration(self, expiration: Option<ExpirationRequest>) -> Self {
        match expiration {
            Some(ExpirationRequest::At(at)) => self.with("expiration", at),
            Some(ExpirationRequest::Ttl(ttl)) => self.with("expiration_ttl", ttl),
            None => self,
        }
    }

    fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let separator = if self.query.is_empty() { '?' } else { '&' };
        // Writing to a String cannot fail.
        let _infallible = write!(self.query, "{separator}{name}={value}");
        self
    }

    /// Where bulk writes go.
    pub(super) fn bulk_write(base: &str, namespace: &Namespace) -> String {
        format!("{base}/kv/{namespace}/bulk/write")
    }

    /// The whole URL. An encoded key is one segment and never `.` or `..`, so it comes through URL
    /// normalisation as it is.
    pub(super) fn url(&self, base: &str) -> String {
        let Self { namespace, key, query } = self;
        match key {
            Some(key) => format!("{base}/kv/{namespace}/{}{query}", encode(key.as_str())),
            None => format!("{base}/kv/{namespace}{query}"),
        }
    }
}

pub(super) fn read_headers(options: &ReadOptions) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if options.from_origin {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if let Some(version) = options.min_version {
        insert(&mut headers, names::NEARKV_MIN_VERSION.clone(), version.to_string());
    }
    headers
}

/// Adds the trace that the request belongs to, where this program makes traces (W3C Trace Context).
pub(super) fn trace(headers: &mut HeaderMap) {
    #[cfg(feature = "server")]
    crate::telemetry::inject(headers);
    #[cfg(not(feature = "server"))]
    let _ = headers;
}

/// Adds a header whose text is fit for one: a version, a tag, or metadata, which hold no control characters.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, text: impl AsRef<[u8]>) {
    if let Ok(value) = HeaderValue::from_bytes(text.as_ref()) {
        headers.insert(name, value);
    }
}
