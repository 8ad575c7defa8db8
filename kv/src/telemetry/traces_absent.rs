//! What stands in the place of `traces` without the feature of that name: no span is sent, and a collector that is named is
//! refused. Development mode has no collector, and its first build is shorter without OpenTelemetry.

use std::{convert::Infallible, time::Duration};

use http::HeaderMap;
use tracing::Span;
use tracing_subscriber::layer::Identity;

use super::TelemetryArgs;

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// This program cannot send any.
    #[error("failed to set up traces to {0:?}: this program was built without the feature `traces`")]
    Absent(String),
}

/// There is none.
pub(super) struct SdkTracerProvider(Infallible);

impl SdkTracerProvider {
    pub(super) fn shutdown_with_timeout(&self, _: Duration) -> Result<(), Infallible> {
        match self.0 {}
    }
}

pub(super) fn provider(
    args: &TelemetryArgs,
    _: &'static str,
) -> Result<Option<SdkTracerProvider>, TracesError> {
    args.collector().map_or(Ok(None), |endpoint| Err(TracesError::Absent(endpoint)))
}

pub(super) fn layer(provider: &SdkTracerProvider) -> Identity {
    match provider.0 {}
}

pub(crate) fn adopt(_: &Span, _: &HeaderMap) {}

pub(crate) fn rename(_: &Span, _: String) {}

pub(crate) fn trace_id(_: &Span) -> Option<String> {
    None
}

/// Would add the present span as `traceparent` to a request.
pub fn inject(_: &mut HeaderMap) {}
