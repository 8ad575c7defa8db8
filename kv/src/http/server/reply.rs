//! Answers in the making: headers that share one allocation, and refusals with their text as body and as
//! reason phrase.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::ext::ReasonPhrase;

use super::upload::Upload;
use crate::{
    Error, Expiration, Metadata, Reason, State, Version,
    http::{
        names,
        states::{Values, cache_status, write_state},
    },
};

/// Longest reason phrase, in bytes (contract §2.2).
const LONGEST_REASON_PHRASE: usize = 512;
/// Room for all headers of a read.
const HEADERS: usize = 20;

/// The headers of an answer.
pub(super) struct Reply {
    pub(super) headers: HeaderMap,
    values: Values,
}

impl Reply {
    /// An answer that is true at `state`; `cache` is the name of the cache that gives it.
    pub(super) fn new(state: &State, cache: Option<&str>) -> Self {
        let (mut headers, mut values) = (HeaderMap::with_capacity(HEADERS), Values::default());
        write_state(&mut headers, &mut values, state);
        if let Some(cache) = cache {
            headers.insert(&names::CACHE_STATUS, cache_status(&mut values, cache, state));
        }
        Self { headers, values }
    }

    /// `CF-Cache-Status`: on reads of values, also where there is none.
    pub(super) fn cf_cache_status(mut self, state: &State) -> Self {
        let word = HeaderValue::from_static(state.served.status.as_str());
        self.headers.insert(&names::CF_CACHE_STATUS, word);
        self
    }

    pub(super) fn etag(&mut self, version: Version) {
        self.headers.insert(header::ETAG, self.values.format(format_args!("\"{version}\"")));
    }

    pub(super) fn metadata(&mut self, metadata: &Metadata) {
        let text = self.values.format(format_args!("{}", metadata.as_str()));
        self.headers.insert(&names::CF_KV_METADATA, text);
    }

    pub(super) fn expiration(&mut self, expiration: Expiration, state: &State) {
        self.headers.insert(&names::CF_EXPIRATION, self.values.format(format_args!("{expiration}")));
        let left = expiration.remaining(state.time).as_millis();
        self.headers.insert(&names::NEARKV_EXPIRES_IN, self.values.format(format_args!("{left}")));
    }

    pub(super) fn number(&mut self, name: header::HeaderName, number: u64) {
        self.headers.insert(name, self.values.format(format_args!("{number}")));
    }

    pub(super) fn content_range(&mut self, first_last: Option<(u64, u64)>, length: u64) {
        let text = match first_last {
            Some((first, last)) => self.values.format(format_args!("bytes {first}-{last}/{length}")),
            None => self.values.format(format_args!("bytes */{length}")),
        };
        self.headers.insert(header::CONTENT_RANGE, text);
    }

    pub(super) fn content_type(&mut self, media_type: &'static str) {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }

    pub(super) fn finish(self, status: StatusCode, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// The answer to what was refused or failed: the text as body and as reason phrase, the reason's word in
/// `Nearkv-Reason`.
#[must_use]
pub fn refusal(error: &Error) -> Response {
    refusal_with(error, Body::from(error.to_string()))
}

/// [`refusal`] to a client that may still be sending its body.
pub(super) fn refusal_while_sending(error: &Error, upload: Upload) -> Response {
    refusal_with(error, upload.answer_while_draining(error.to_string()))
}

fn refusal_with(error: &Error, body: Body) -> Response {
    let reason = error.reason();
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    refusal_headers(error, headers);
    if let Ok(phrase) = ReasonPhrase::try_from(reason_phrase(&error.to_string())) {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// What the headers of a refusal say, in whatever form its text comes.
pub(super) fn refusal_headers(error: &Error, headers: &mut HeaderMap) {
    let mut values = Values::default();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(&names::NEARKV_REASON, HeaderValue::from_static(error.reason().as_str()));
    if error.reason() == Reason::Unauthenticated {
        // RFC 9110 §15.5.2: a 401 says how to authenticate.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"nearkv\""));
    }
    if let Some(version) = error.version() {
        headers.insert(&names::NEARKV_VERSION, values.format(format_args!("{version}")));
    }
    if let Some(after) = error.retry_after() {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, values.format(format_args!("{seconds}")));
    }
}

/// What of a text may stand in a status line (RFC 9112 §4), in ASCII, so that nobody guesses its encoding.
fn reason_phrase(text: &str) -> Bytes {
    let printable = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
    text.chars().take(LONGEST_REASON_PHRASE).map(printable).collect::<String>().into()
}
