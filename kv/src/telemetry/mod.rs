//! What a program of nearkv installs once, before anything else: its log, and traces for an OpenTelemetry
//! collector. The same flags and the same words for the operator and the edge.

mod log;
mod traces;

use std::time::Duration;

use clap::Args;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

pub use log::{LogError, LogFilter, LogFormat};
#[cfg(feature = "testing")]
pub use traces::collected_nowhere;
pub use traces::{TracesError, inject};
pub(crate) use traces::{adopt, rename, trace_id};

/// Target of the spans of requests, of questions to upstream, of commits and of calls of the store.
pub const SPANS: &str = "nearkv::span";
/// Target of the access log: one event per request, at level debug.
pub const ACCESS: &str = "nearkv::access";
/// How long the end of a program waits for its last spans to be sent.
const LAST_SPANS: Duration = Duration::from_secs(3);

/// The flags of the log and of traces.
#[derive(Clone, Debug, Args)]
pub struct TelemetryArgs {
    /// Which events are logged, as `tracing` filters are written: `info`, `warn,nearkv_operator=debug`. Changed at
    /// run time by `PUT /log` on the admin listener.
    #[arg(long, env = "NEARKV_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// How events are logged.
    #[arg(long, env = "NEARKV_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// An OpenTelemetry collector that takes OTLP over HTTP, for instance http://collector:4318. Traces are off
    /// without it; OTEL_EXPORTER_OTLP_ENDPOINT is taken where the flag is not given.
    #[arg(long, env = "NEARKV_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Which share of the requests that bring no decision of their own (in `traceparent`) is traced, from 0 to 1.
    /// Default: OTEL_TRACES_SAMPLER_ARG, else 0.01.
    #[arg(long, env = "NEARKV_TRACE_RATIO", value_name = "RATIO", value_parser = traces::ratio)]
    pub trace_ratio: Option<f64>,
}

/// Why the log or the traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of the log makes no sense.
    #[error("failed to read --log: {0}")]
    Log(#[from] LogError),
    /// The collector or the ratio makes no sense.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// Something else in the process has installed a log already.
    #[error("failed to install the log: {0}")]
    Install(#[from] tracing_subscriber::util::TryInitError),
}

/// What was installed.
pub struct Telemetry {
    log: LogFilter,
    spans: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Installs the log, and traces if there is a collector, of the program `service`. Needs a tokio runtime, which
    /// sends the spans.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn install(args: &TelemetryArgs, service: &'static str) -> Result<Self, TelemetryError> {
        let spans = traces::provider(args, service)?;
        let (layer, log) = log::layer(&args.log, args.log_format)?;
        let registry = tracing_subscriber::registry().with(spans.as_ref().map(traces::layer)).with(layer);
        registry.try_init()?;
        Ok(Self { log, spans })
    }

    /// What is logged, to be changed at run time.
    #[must_use]
    pub fn log(&self) -> LogFilter {
        self.log.clone()
    }

    /// Sends the last spans, as far as the collector takes them in time.
    pub async fn shutdown(self) {
        let Some(spans) = self.spans else { return };
        let ended = tokio::task::spawn_blocking(move || spans.shutdown_with_timeout(LAST_SPANS)).await;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not sent"),
            Err(error) => tracing::warn!(%error, "the last spans were not sent"),
        }
    }
}
