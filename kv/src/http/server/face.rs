//! Dispatch: from method and raw path to one operation, and from its error to a refusal.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, Method, Request, header, request::Parts};

use super::{
    Settings,
    operation::Operation,
    reply::{refusal, refusal_while_sending},
    upload::Upload,
};
use crate::{
    Error, ExpirationRequest, Kv, ReadOptions,
    http::{
        names,
        paths::{decode, decode_key, locate, raw_parameter},
    },
    limits::MIN_CACHE_TTL,
};

/// Longest `cache_ttl` that is told apart, in seconds: 68 years, the binding's own limit (contract §1.10). A
/// longer one means the same and would overflow deadlines.
const LONGEST_CACHE_TTL: u64 = i32::MAX as u64;

/// The rest of the raw path that is the bulk get. As a key it would be `bulk%2Fget`.
pub(super) const BULK_GET: &str = "bulk/get";
/// The same of the bulk write, which is our own.
pub(super) const BULK_WRITE: &str = "bulk/write";

/// What every operation of the face needs.
pub(super) struct Face {
    pub(super) kv: Arc<dyn Kv>,
    /// `nearkv-<region>`, for an edge.
    pub(super) cache: Option<String>,
}

impl Face {
    pub(super) fn new(kv: Arc<dyn Kv>, settings: &Settings) -> Self {
        // A name in `Cache-Status` is a token (RFC 8941 §3.3.4).
        let token = |region: &String| region.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-");
        Self { kv, cache: settings.region.as_ref().map(|region| format!("nearkv-{}", token(region))) }
    }

    /// `operation` becomes the one that the request asks for.
    pub(super) async fn answer(&self, request: Request<Body>, operation: &mut Operation) -> Response {
        let (parts, body) = request.into_parts();
        let upload = Upload::new(body, &parts.headers);
        match self.dispatch(&parts, upload.as_ref(), operation).await {
            Ok(response) => response,
            Err(Refusal { error, allow }) => {
                let mut response = match upload {
                    None => refusal(&error),
                    Some(upload) => refusal_while_sending(&error, upload),
                };
                if let Some(allow) = allow {
                    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
                }
                response
            }
        }
    }

    async fn dispatch(
        &self,
        parts: &Parts,
        upload: Option<&Upload>,
        operation: &mut Operation,
    ) -> Result<Response, Refusal> {
        let location = locate(parts.uri.path(), &parts.headers)?;
        let (namespace, rest) = (&location.namespace, location.rest);
        *operation = Operation::at_binding(&parts.method, rest);
        let asked = Asked { headers: &parts.headers, query: parts.uri.query().unwrap_or_default() };
        let response = match (&parts.method, rest) {
            (&Method::GET, "") => self.list(namespace, &asked).await?,
            (&Method::GET, raw) => self.read(namespace, &decode_key(raw)?, &asked, true).await?,
            (&Method::HEAD, "") => self.list(namespace, &asked).await?.map(|_| Body::empty()),
            (&Method::HEAD, raw) => self.read(namespace, &decode_key(raw)?, &asked, false).await?,
            (&Method::PUT, raw) => self.put(namespace, &decode_key(raw)?, &asked, upload).await?,
            (&Method::DELETE, raw) => self.delete(namespace, &decode_key(raw)?, &asked).await?,
            (&Method::POST, BULK_GET) => self.bulk_get(namespace, &asked, upload).await?,
            (&Method::POST, BULK_WRITE) => self.bulk_write(namespace, &asked, upload).await?,
            (_, rest) => {
                let allow = match rest {
                    "" => "GET, HEAD",
                    BULK_GET | BULK_WRITE => "GET, HEAD, PUT, DELETE, POST",
                    _ => "GET, HEAD, PUT, DELETE",
                };
                return Err(Refusal { error: Error::method_not_allowed(), allow: Some(allow) });
            }
        };
        Ok(response)
    }
}

/// An error on its way out, with the header `Allow` where the method was wrong (RFC 9110 §15.5.6).
struct Refusal {
    error: Error,
    allow: Option<&'static str>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, allow: None }
    }
}

/// The parts of a request that carry options.
pub(super) struct Asked<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a str,
}

impl Asked<'_> {
    /// A parameter's text; what cannot be decoded is replaced, so that the refusal can repeat it.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let raw = raw_parameter(self.query, name)?;
        Some(decode(raw, true).unwrap_or(Cow::Borrowed(raw)))
    }

    /// `Cache-Control: no-cache` (RFC 9111 §5.2.1.4).
    fn is_for_the_origin(&self) -> bool {
        let fields = self.headers.get_all(header::CACHE_CONTROL).iter();
        let mut directives =
            fields.filter_map(|field| field.to_str().ok()).flat_map(|field| field.split(','));
        directives.any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"))
    }

    /// When the entry shall end.
    pub(super) fn expiration(&self) -> Result<Option<ExpirationRequest>, Error> {
        let (expiration, ttl) = (self.parameter("expiration"), self.parameter("expiration_ttl"));
        ExpirationRequest::parse(expiration.as_deref(), ttl.as_deref())
    }

    pub(super) fn read_options(&self) -> Result<ReadOptions, Error> {
        let cache_ttl = self.parameter("cache_ttl").map(|given| parse_cache_ttl(&given)).transpose()?;
        let version = self.headers.get(&names::NEARKV_MIN_VERSION);
        let min_version =
            version.map(|version| String::from_utf8_lossy(version.as_bytes()).parse()).transpose()?;
        let from_origin = self.is_for_the_origin();
        Ok(ReadOptions { cache_ttl, min_version, from_origin, only_if_cached: false })
    }
}

/// Reads a `cache_ttl` as it was given.
pub(super) fn parse_cache_ttl(given: &str) -> Result<Duration, Error> {
    let digits = !given.is_empty() && given.bytes().all(|b| b.is_ascii_digit());
    let seconds: u64 = match given.parse() {
        Ok(seconds) => seconds,
        // More digits than a u64 has.
        Err(_) if digits => LONGEST_CACHE_TTL,
        Err(_) => return Err(Error::cache_ttl_invalid(given)),
    };
    let ttl = Duration::from_secs(seconds.min(LONGEST_CACHE_TTL));
    if !digits || ttl < MIN_CACHE_TTL { Err(Error::cache_ttl_invalid(given)) } else { Ok(ttl) }
}
