//! The API server's time, from the `Date` of every answer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, header::DATE};
use jiff::fmt::rfc2822::DateTimeParser;
use nearkv::{Clock, UnixMillis};
use nearkv_origin::store::ServerTime;
use tower::{Layer, Service};

/// The API server's time, shared by the client's middleware and the store.
#[derive(Clone)]
pub(super) struct ObservedTime {
    clock: Arc<dyn Clock>,
    server: Arc<ServerTime>,
}

impl ObservedTime {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, server: Arc::default() }
    }

    pub(super) fn now(&self) -> Option<UnixMillis> {
        self.server.at(self.clock.steady())
    }

    fn observe(&self, sent: Duration, date: Option<&http::HeaderValue>) {
        let received = self.clock.steady();
        let text = date.and_then(|date| date.to_str().ok());
        let parsed = text.and_then(|text| DateTimeParser::new().parse_timestamp(text).ok());
        if let Some(date) = parsed.and_then(|moment| u64::try_from(moment.as_millisecond()).ok()) {
            self.server.observe(sent, received, UnixMillis(date));
        }
    }
}

/// Middleware of the client.
impl<S> Layer<S> for ObservedTime {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, time: self.clone() }
    }
}

/// A client whose answers are looked at.
#[derive(Clone)]
pub(super) struct Observed<S> {
    inner: S,
    time: ObservedTime,
}

impl<S, B, R> Service<Request<B>> for Observed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let time = self.time.clone();
        let sent = time.clock.steady();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            time.observe(sent, response.headers().get(DATE));
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use nearkv::VirtualClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_date_of_an_answer_shows_the_time_whatever_the_machines_clock_says() {
        let clock = Arc::new(VirtualClock::starting_at(UnixMillis(784_111_777_500)));
        let time = ObservedTime::new(Arc::<VirtualClock>::clone(&clock));
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        time.observe(clock.steady(), Some(&HeaderValue::from_static("yesterday")));
        time.observe(clock.steady(), None);
        assert_eq!(time.now(), None);
        time.observe(clock.steady(), Some(&date));
        assert_eq!(time.now(), Some(UnixMillis(784_111_777_500)));
        clock.set_skew_ms(3_600_000);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(time.now(), Some(UnixMillis(784_111_778_500)));
    }
}
