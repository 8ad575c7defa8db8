//! Metrics in the text format of Prometheus, as a process or an API server tells them at one moment.

use crate::error::{HarnessError, Result};
use crate::http;

/// What was told.
#[derive(Debug, Clone)]
pub struct Metrics {
    text: String,
}

impl Metrics {
    /// Of what somebody has fetched already.
    pub fn new(text: String) -> Metrics {
        Metrics { text }
    }

    /// Fetches what is told at `url`.
    pub async fn fetch(url: &str) -> Result<Metrics> {
        let failed = |source| HarnessError::Http { action: format!("read {url}"), source };
        let answer = http::client().get(url).send().await.map_err(failed)?;
        Ok(Metrics::new(answer.text().await.map_err(failed)?))
    }

    /// All lines.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The labels, with their braces, and the value of each sample of a metric.
    pub fn samples(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        self.text.lines().filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.strip_prefix(name)?;
            let whole = labels.is_empty() || labels.starts_with('{');
            whole.then_some((labels, value.parse().ok()?))
        })
    }

    /// The value of a series: a metric's name, and its labels where it has any.
    ///
    /// # Errors
    /// [`HarnessError::Unexpected`], with everything that is told, when there is no such series.
    pub fn value(&self, series: &str) -> Result<f64> {
        let (name, labels) = series.find('{').map_or((series, ""), |at| series.split_at(at));
        let found = self.samples(name).find(|(of, _)| *of == labels);
        found.map(|(_, value)| value).ok_or_else(|| self.lacks(series))
    }

    /// The sum of a metric over all its labels.
    ///
    /// # Errors
    /// [`HarnessError::Unexpected`], with everything that is told, when it has no sample.
    pub fn sum(&self, name: &str) -> Result<f64> {
        let values = self.samples(name).map(|(_, value)| value);
        values.reduce(|sum, value| sum + value).ok_or_else(|| self.lacks(name))
    }

    fn lacks(&self, series: &str) -> HarnessError {
        HarnessError::Unexpected(format!("{series} is not in\n{}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE keys gauge\nkeys{a=\"x y\"} 3\nkeys{a=\"z\"} 4.5\nkeys_most 9\nleading 1\n";

    #[test]
    fn a_series_is_found_by_its_whole_name_and_labels() {
        let metrics = Metrics::new(TEXT.to_owned());
        assert_eq!(metrics.value("keys{a=\"x y\"}").unwrap(), 3.0);
        assert_eq!(metrics.value("leading").unwrap(), 1.0);
        assert_eq!(metrics.sum("keys").unwrap(), 7.5);
        let error = metrics.value("keys").unwrap_err().to_string();
        assert!(error.starts_with("keys is not in\n# TYPE"), "{error}");
        assert!(metrics.sum("key").is_err());
    }
}
