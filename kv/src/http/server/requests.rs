//! What a server counts of the requests to both faces: by operation, face, result and cache status; their
//! durations; the bytes of their bodies. One table of atomics, resolved by index: a read pays for four of them.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame, SizeHint};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Unit};

use super::operation::Operation;
use crate::{
    CacheStatus, Reason,
    http::{names, states},
    metrics::{Count, Durations, counters, histograms},
};

/// From an answer out of memory, which takes microseconds, to the limit of a write that has to wait.
const DURATION_SECONDS: [f64; 15] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Results of a request: success without and with each cache status, and every reason.
const RESULTS: usize = 1 + CacheStatus::ALL.len() + Reason::ALL.len();
/// The label where no cache had a part in an answer.
const NO_CACHE: &str = "none";

/// Which of the two faces of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaceName {
    Binding,
    Rest,
    /// The question of other servers what a caller may do.
    Access,
}

impl FaceName {
    const ALL: [Self; 3] = [Self::Binding, Self::Rest, Self::Access];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Rest => "rest",
            Self::Access => "access",
        }
    }
}

/// How a request ended, as its answer's headers say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// As asked, with the part that a cache had in it. That there is no such key is an answer too.
    Ok(Option<CacheStatus>),
    /// Refused or failed.
    Refused(Reason),
}

impl Ended {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(word) = text(&names::NEARKV_REASON) {
            return Self::Refused(Reason::parse(word).unwrap_or(Reason::Internal));
        }
        if let Some(word) = text(&names::CF_CACHE_STATUS) {
            return Self::Ok(CacheStatus::parse(word));
        }
        // On a list and a write only a cache says how it came by its answer.
        let cache_status = text(&names::CACHE_STATUS);
        Self::Ok(cache_status.map(|text| states::read_served(None, Some(text)).status))
    }

    /// `ok`, or the reason's word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Refused(reason) => reason.as_str(),
        }
    }

    /// The cache's word.
    pub(super) fn cache(self) -> &'static str {
        match self {
            Self::Ok(Some(status)) => status.as_str(),
            Self::Ok(None) | Self::Refused(_) => NO_CACHE,
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let answered = CacheStatus::ALL.into_iter().map(|status| Self::Ok(Some(status)));
        let refused = Reason::ALL.iter().copied().map(Self::Refused);
        [Self::Ok(None)].into_iter().chain(answered).chain(refused)
    }

    /// Its place in [`Ended::all`].
    fn index(self) -> usize {
        match self {
            Self::Ok(None) => 0,
            Self::Ok(Some(status)) => 1 + status as usize,
            Self::Refused(reason) => 1 + CacheStatus::ALL.len() + reason as usize,
        }
    }
}

/// The requests of one server. Shared by its router and its metrics.
#[derive(Debug)]
pub struct Requests {
    rows: Box<[Row]>,
}

/// Those of one operation at one face.
#[derive(Debug)]
struct Row {
    ended: Box<[Count]>,
    took: Durations,
    received: Count,
    sent: Count,
}

impl Default for Requests {
    fn default() -> Self {
        let row = |_| Row {
            ended: (0..RESULTS).map(|_| Count::default()).collect(),
            took: Durations::new(&DURATION_SECONDS),
            received: Count::default(),
            sent: Count::default(),
        };
        Self { rows: (0..FaceName::ALL.len() * Operation::ALL.len()).map(row).collect() }
    }
}

impl Requests {
    fn index(face: FaceName, operation: Operation) -> usize {
        face as usize * Operation::ALL.len() + operation as usize
    }

    /// Counts a request, except for what its bodies hold beyond `received`: the answer's is counted on its way.
    pub(super) fn count(
        self: &Arc<Self>,
        face: FaceName,
        operation: Operation,
        took: Duration,
        received: u64,
        response: Response<Body>,
    ) -> (Ended, Response<Body>) {
        let index = Self::index(face, operation);
        let row = &self.rows[index];
        let ended = Ended::of(response.headers());
        row.ended[ended.index()].inc();
        row.took.observe(took);
        if received > 0 {
            row.received.add(received);
        }
        let response = match response.body().size_hint().exact() {
            Some(length) => {
                row.sent.add(length);
                response
            }
            None => {
                let requests = Arc::clone(self);
                let counted = move |bytes| requests.rows[index].sent.add(bytes);
                response.map(|body| Body::new(Counted { body, counted }))
            }
        };
        (ended, response)
    }

    /// Rows that have counted anything: the others would be lines of zeros.
    fn used(&self) -> impl Iterator<Item = (FaceName, Operation, &Row)> {
        let names = FaceName::ALL.iter().flat_map(|face| Operation::ALL.iter().map(|name| (*face, *name)));
        names
            .zip(&*self.rows)
            .map(|((face, name), row)| (face, name, row))
            .filter(|(.., row)| row.took.count() > 0)
    }
}

impl Collector for Requests {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let requests = self.used().flat_map(|(face, operation, row)| {
            let counts = Ended::all().zip(&*row.ended).map(|(ended, count)| (ended, count.get()));
            counts.filter(|(_, count)| *count > 0).map(move |(ended, count)| {
                let labels = [
                    ("face", face.as_str()),
                    ("operation", operation.as_str()),
                    ("result", ended.as_str()),
                    ("cache", ended.cache()),
                ];
                (labels, count)
            })
        });
        counters(
            encoder,
            "nearkv_requests",
            "Requests answered, by face, operation, result (`ok` or the reason) and cache status",
            None,
            requests,
        )?;
        let labels = |face: FaceName, operation: Operation| {
            [("face", face.as_str()), ("operation", operation.as_str())]
        };
        histograms(
            encoder,
            "nearkv_request_duration",
            "Time until an answer began",
            self.used().map(|(face, operation, row)| (labels(face, operation), &row.took)),
        )?;
        counters(
            encoder,
            "nearkv_request_body",
            "What came in the bodies of requests",
            Some(&Unit::Bytes),
            self.used().map(|(face, operation, row)| (labels(face, operation), row.received.get())),
        )?;
        counters(
            encoder,
            "nearkv_response_body",
            "What went out in the bodies of answers",
            Some(&Unit::Bytes),
            self.used().map(|(face, operation, row)| (labels(face, operation), row.sent.get())),
        )
    }
}

/// A body whose bytes are counted as they pass.
pub(super) struct Counted<F> {
    pub(super) body: Body,
    pub(super) counted: F,
}

impl<F: Fn(u64) + Unpin> http_body::Body for Counted<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            (self.counted)(data.len() as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end_has_its_own_place_in_the_table() {
        for (place, ended) in Ended::all().enumerate() {
            assert_eq!(ended.index(), place, "{ended:?}");
        }
        assert_eq!(Ended::all().count(), RESULTS);
        for (place, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(Requests::index(FaceName::Binding, operation), place, "{operation:?}");
        }
    }
}
