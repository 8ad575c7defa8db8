//! The log: lines for people or JSON, on standard error, with a filter that can be changed while the program runs.

use std::{fmt, io::IsTerminal, sync::Arc};

use clap::ValueEnum;
use parking_lot::Mutex;
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, Layer, registry::LookupSpan, reload};

/// How events are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a filter was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It is no filter.
    #[error("{given:?} is no filter like `info` or `warn,nearkv_operator=debug`: {source}")]
    Filter {
        /// What was given.
        given: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// The log has gone.
    #[error("failed to change the filter of the log: {0}")]
    Gone(#[from] reload::Error),
}

/// What is logged. Cheap to clone: all clones are one filter.
#[derive(Clone)]
pub struct LogFilter(Arc<Inner>);

struct Inner {
    set: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
    text: Mutex<String>,
}

impl fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogFilter").field(&self.text()).finish()
    }
}

impl LogFilter {
    /// The filter in force, as it was given.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.text.lock().clone()
    }

    /// Logs by another filter from now on.
    ///
    /// # Errors
    /// [`LogError`]; the filter before stays in force.
    pub fn set(&self, given: &str) -> Result<(), LogError> {
        let filter = parse(given)?;
        let mut text = self.0.text.lock();
        (self.0.set)(filter)?;
        given.clone_into(&mut text);
        Ok(())
    }
}

fn parse(given: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(given).map_err(|source| LogError::Filter { given: given.to_owned(), source })
}

/// The log as a layer, and its filter.
pub(super) fn layer<S>(
    given: &str,
    format: LogFormat,
) -> Result<(Box<dyn Layer<S> + Send + Sync>, LogFilter), LogError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (filter, handle) = reload::Layer::new(parse(given)?);
    let set = Box::new(move |filter| handle.reload(filter));
    let control = LogFilter(Arc::new(Inner { set, text: Mutex::new(given.to_owned()) }));
    let terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(terminal);
    let layer = match format {
        LogFormat::Text => log.with_filter(filter).boxed(),
        LogFormat::Json => log.json().with_filter(filter).boxed(),
    };
    Ok((layer, control))
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn what_is_logged_changes_at_run_time_and_nonsense_changes_nothing() {
        let (layer, log) = layer("warn", LogFormat::Json).unwrap();
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::enabled!(tracing::Level::WARN) && !tracing::enabled!(tracing::Level::DEBUG));
            log.set("debug").unwrap();
            assert!(tracing::enabled!(tracing::Level::DEBUG));
            let refused = log.set("nearkv=loud").unwrap_err().to_string();
            assert!(refused.contains("nearkv=loud"), "{refused}");
            assert_eq!(log.text(), "debug");
            assert!(tracing::enabled!(tracing::Level::DEBUG));
        });
    }
}
