//! How far this machine's clock is off the API server's, from the `Date` of every answer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, header::DATE};
use jiff::fmt::rfc2822::DateTimeParser;
use nearkv::{Clock, UnixMillis};
use parking_lot::Mutex;
use tower::{Layer, Service};

/// `Date` has whole seconds: the server's clock shows this much more at most.
const RESOLUTION_MS: u64 = 1000;
/// A slower answer says too little to replace what is known.
const SLOWEST: Duration = Duration::from_secs(1);

/// The latest reading, shared by the client's middleware and the store.
#[derive(Clone)]
pub(super) struct Skew {
    clock: Arc<dyn Clock>,
    latest_ms: Arc<Mutex<Option<i64>>>,
}

impl Skew {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, latest_ms: Arc::new(Mutex::new(None)) }
    }

    pub(super) fn latest_ms(&self) -> Option<i64> {
        *self.latest_ms.lock()
    }

    fn observe(&self, sent: UnixMillis, date: Option<&http::HeaderValue>) {
        let received = self.clock.now();
        let text = date.and_then(|date| date.to_str().ok());
        let parsed = text.and_then(|text| DateTimeParser::new().parse_timestamp(text).ok());
        let Some(date) = parsed.and_then(|moment| u64::try_from(moment.as_millisecond()).ok()) else {
            return;
        };
        let mut latest = self.latest_ms.lock();
        if latest.is_none() || received.since(sent) <= SLOWEST {
            *latest = Some(least_skew_ms(sent, received, UnixMillis(date)));
        }
    }
}

/// The smallest error of our clock that explains the answer: the server wrote `date` at some moment between
/// `sent` and `received`, when its clock showed `date` or up to a second more.
fn least_skew_ms(sent: UnixMillis, received: UnixMillis, date: UnixMillis) -> i64 {
    let ahead = sent.0.saturating_sub(date.0.saturating_add(RESOLUTION_MS));
    let behind = date.0.saturating_sub(received.0);
    ahead.cast_signed() - behind.cast_signed()
}

/// Middleware of the client.
impl<S> Layer<S> for Skew {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, skew: self.clone() }
    }
}

/// A client whose answers are looked at.
#[derive(Clone)]
pub(super) struct Observed<S> {
    inner: S,
    skew: Skew,
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
        let skew = self.skew.clone();
        let sent = skew.clock.now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            skew.observe(sent, response.headers().get(DATE));
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use nearkv::VirtualClock;

    use super::*;

    #[test]
    fn a_clock_within_the_round_trip_and_the_resolution_is_right() {
        let at = UnixMillis;
        assert_eq!(least_skew_ms(at(10_900), at(11_100), at(10_000)), 0);
        assert_eq!(least_skew_ms(at(9_000), at(10_000), at(10_000)), 0);
        assert_eq!(least_skew_ms(at(16_000), at(16_200), at(10_000)), 5_000);
        assert_eq!(least_skew_ms(at(4_000), at(4_200), at(10_000)), -5_800);
    }

    #[tokio::test(start_paused = true)]
    async fn the_date_of_an_answer_shows_the_skew() {
        let clock = Arc::new(VirtualClock::starting_at(UnixMillis(784_111_777_500)));
        let skew = Skew::new(clock.clone());
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(skew.latest_ms(), None);
        skew.observe(clock.now(), Some(&HeaderValue::from_static("yesterday")));
        skew.observe(clock.now(), None);
        assert_eq!(skew.latest_ms(), None);
        skew.observe(clock.now(), Some(&date));
        assert_eq!(skew.latest_ms(), Some(0));
        clock.set_skew_ms(10_000);
        skew.observe(clock.now(), Some(&date));
        assert_eq!(skew.latest_ms(), Some(9_500));
        let sent = clock.now();
        tokio::time::advance(Duration::from_secs(5)).await;
        skew.observe(sent, Some(&date));
        assert_eq!(skew.latest_ms(), Some(9_500));
    }
}
