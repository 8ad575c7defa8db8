//! What the log and the trace say of a request: the words that the metrics count it under. Never a key, a value, a
//! header's text or a token.

use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use http_body::Body as _;
use tracing::{Span, field::Empty};

use super::{
    operation::Operation,
    requests::{Ended, FaceName},
};
use crate::telemetry::{ACCESS, SPANS, adopt, rename, trace_id};

/// A request that was answered.
pub(super) struct Access {
    pub(super) face: FaceName,
    pub(super) operation: Operation,
    pub(super) ended: Ended,
    pub(super) took: Duration,
    pub(super) received: u64,
}

/// The span of a request, in the trace that its `traceparent` names. None at all while nobody wants one: then this is
/// one comparison.
pub(super) fn span(request: &Request<Body>) -> Span {
    let span = tracing::debug_span!(
        target: SPANS,
        "request",
        otel.kind = "server",
        face = Empty,
        operation = Empty,
        result = Empty,
        cache = Empty,
        status = Empty,
        trace_id = Empty,
    );
    if !span.is_disabled() {
        adopt(&span, request.headers());
        if let Some(id) = trace_id(&span) {
            span.record("trace_id", id);
        }
    }
    span
}

/// Completes the span, and writes the line of the access log.
pub(super) fn told(span: &Span, access: &Access, response: &Response<Body>) {
    let Access { face, operation, ended, took, received } = access;
    let (face, operation) = (face.as_str(), operation.as_str());
    let (result, cache, status) = (ended.as_str(), ended.cache(), response.status().as_u16());
    if !span.is_disabled() {
        rename(span, format!("{face} {operation}"));
        span.record("face", face);
        span.record("operation", operation);
        span.record("result", result);
        span.record("cache", cache);
        span.record("status", status);
    }
    span.in_scope(|| {
        tracing::debug!(
            target: ACCESS,
            face,
            operation,
            result,
            cache,
            status,
            seconds = took.as_secs_f64(),
            received,
            sent = response.body().size_hint().exact(),
            "answered"
        );
    });
}
