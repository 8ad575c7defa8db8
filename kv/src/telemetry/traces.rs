//! Traces, with the feature `traces`: spans of `tracing` sent to a collector as OTLP over HTTP, and W3C Trace Context on
//! the way in and out. Without a collector there is no layer that wants a span, so none is ever made. Without the feature,
//! `traces_absent.rs` stands in this place.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use opentelemetry::{
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector, HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
pub(super) use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::Sampler};
use tokio::runtime::Handle;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
#[cfg(feature = "testing")]
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::{TelemetryArgs, ratio, variable};

/// Which share of the requests is traced if nobody says otherwise. A span costs more than a cached read does.
const RATIO: f64 = 0.01;
/// Longest time for the collector to take a batch of spans.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there can be no traces.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The collector cannot be used.
    #[error("failed to make a client of the OTLP collector {endpoint:?}: {source}")]
    Collector {
        /// Its address.
        endpoint: String,
        /// Why.
        source: ExporterBuildError,
    },
    /// The client of the collector cannot be made.
    #[error("failed to set up the HTTP client for the OTLP collector: {0}")]
    Client(#[source] reqwest::Error),
    /// The ratio of the environment is none.
    #[error("failed to read OTEL_TRACES_SAMPLER_ARG: {0}")]
    Ratio(String),
}

/// What makes spans and sends them; `None` without a collector.
pub(super) fn provider(
    args: &TelemetryArgs,
    service: &'static str,
) -> Result<Option<SdkTracerProvider>, TracesError> {
    let Some(base) = args.collector() else { return Ok(None) };
    let ratio = match (args.trace_ratio, variable("OTEL_TRACES_SAMPLER_ARG")) {
        (Some(ratio), _) => ratio,
        (None, Some(text)) => ratio(&text).map_err(TracesError::Ratio)?,
        (None, None) => RATIO,
    };
    // https://opentelemetry.io/docs/specs/otel/protocol/exporter/: the base, and the path of the signal.
    let endpoint = format!("{}/v1/traces", base.trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender::new()?)
        .with_endpoint(&endpoint)
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .map_err(|source| TracesError::Collector { endpoint, source })?;
    let resource = Resource::builder().with_service_name(service).build();
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
    let provider = SdkTracerProvider::builder().with_resource(resource).with_sampler(sampler);
    Ok(Some(provider.with_batch_exporter(exporter).build()))
}

/// The layer that hands nearkv's spans, and warnings within them, to the provider.
pub(super) fn layer<S>(provider: &SdkTracerProvider) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let wanted =
        filter_fn(
            |meta| {
                if meta.is_span() { meta.target() == super::SPANS } else { *meta.level() <= Level::WARN }
            },
        );
    tracing_opentelemetry::layer().with_tracer(provider.tracer("nearkv")).with_filter(wanted).boxed()
}

/// For tests: every span is made, as with a collector, and sent nowhere.
#[cfg(feature = "testing")]
#[must_use]
pub fn collected_nowhere() -> impl Subscriber + Send + Sync {
    tracing_subscriber::registry().with(layer(&SdkTracerProvider::builder().build()))
}

/// Makes a span the child of the one that a request's `traceparent` names, if it names one.
pub(crate) fn adopt(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if parent.span().span_context().is_valid() && span.set_parent(parent).is_err() {
        tracing::debug!("a span was begun before its parent was known");
    }
}

/// Gives a span the name that the collector shows: what a request asks for is known only once it was read.
pub(crate) fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// The trace that a span belongs to; `None` while traces are off.
pub(crate) fn trace_id(span: &Span) -> Option<String> {
    let id = span.context().span().span_context().trace_id();
    (id != TraceId::INVALID).then(|| id.to_string())
}

/// Adds the present span as `traceparent` to a request. Does nothing while traces are off.
pub fn inject(headers: &mut HeaderMap) {
    let span = Span::current();
    if !span.is_none() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut HeaderInjector(headers));
    }
}

/// Sends batches of spans. The exporter has a thread of its own without a runtime; the request is a task of ours.
#[derive(Debug)]
struct Sender {
    http: reqwest::Client,
    runtime: Handle,
}

impl Sender {
    fn new() -> Result<Self, TracesError> {
        // If there is a provider of cryptography already, it is kept.
        let _kept = rustls::crypto::ring::default_provider().install_default();
        let builder =
            reqwest::Client::builder().timeout(EXPORT_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        let http = builder.build().map_err(TracesError::Client)?;
        Ok(Self { http, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = self.runtime.spawn(async move {
            let answer = http.execute(request.try_into()?).await?;
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            *response.body_mut() = answer.bytes().await?;
            Ok::<_, reqwest::Error>(response)
        });
        Ok(sending.await??)
    }
}
