//! What a program of nearkv installs once, before anything else: its log, and traces for an OpenTelemetry
//! collector. The same flags and the same words for the operator and the edge.

mod log;
#[cfg(feature = "traces")]
mod traces;
#[cfg(not(feature = "traces"))]
#[path = "traces_absent.rs"]
mod traces;

use std::time::Duration;

use clap::Args;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

pub use log::{LogError, LogFilter, LogFormat};
use traces::SdkTracerProvider;
#[cfg(all(feature = "testing", feature = "traces"))]
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
    #[arg(long, env = "NEARKV_TRACE_RATIO", value_name = "RATIO", value_parser = ratio)]
    pub trace_ratio: Option<f64>,
}

impl TelemetryArgs {
    /// Where spans are to be sent, if anywhere.
    fn collector(&self) -> Option<String> {
        self.otlp_endpoint.clone().or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"))
    }
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A share from 0 to 1.
fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| format!("{text:?} is no share between 0 and 1"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_share() {
        for (text, share) in [("0", 0.0), ("0.25", 0.25), ("1", 1.0)] {
            assert_eq!(ratio(text), Ok(share));
        }
        for text in ["", "-0.1", "1.1", "half", "NaN"] {
            assert!(ratio(text).unwrap_err().contains("between 0 and 1"), "{text}");
        }
    }
}
