//! Bodies both ways: values that are sent, with the reason if they break off, and values that are received,
//! which are never shorter than announced without an error.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::header;
use parking_lot::Mutex;
use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, sleep_until, timeout};

use super::failures::Operation;
use crate::{Error, Value, limits::MAX_VALUE_BYTES};

/// Longest value that is read whole before the answer is given: a stream of it would only cost more.
const SMALL_VALUE_BYTES: u64 = 64 * 1024;

/// A value on its way to the server.
pub(super) struct Sent {
    length: Option<u64>,
    body: Option<reqwest::Body>,
    progress: Arc<Mutex<Progress>>,
}

/// How far the sending has come.
struct Progress {
    /// When the last piece was taken.
    at: Instant,
    /// How many bytes were taken.
    bytes: u64,
    /// Why the value broke off.
    failed: Option<Error>,
}

impl Progress {
    fn start() -> Self {
        Self { at: Instant::now(), bytes: 0, failed: None }
    }
}

impl Sent {
    /// # Errors
    /// `value-too-long` (413) where the value announces it.
    pub(super) fn new(value: Value) -> Result<Self, Error> {
        let length = value.length();
        if let Some(length) = length.filter(|length| *length > MAX_VALUE_BYTES) {
            return Err(Error::value_too_long(length));
        }
        Ok(match value {
            Value::Bytes(bytes) => {
                let progress = Arc::new(Mutex::new(Progress::start()));
                Self { length, body: Some(reqwest::Body::from(bytes)), progress }
            }
            stream @ Value::Stream { .. } => Self::streaming(length, stream.into_limited_stream()),
        })
    }

    /// A body of any length.
    pub(super) fn streaming(length: Option<u64>, chunks: BoxStream<'static, Result<Bytes, Error>>) -> Self {
        let progress = Arc::new(Mutex::new(Progress::start()));
        let noted = Arc::clone(&progress);
        let body = reqwest::Body::wrap_stream(chunks.inspect(move |chunk| {
            let mut progress = noted.lock();
            progress.at = Instant::now();
            match chunk {
                Ok(chunk) => progress.bytes += chunk.len() as u64,
                Err(error) => progress.failed = Some(error.clone()),
            }
        }));
        Self { length, body: Some(body), progress }
    }

    /// Moves the body into its request.
    pub(super) fn attach(&mut self, request: RequestBuilder) -> RequestBuilder {
        let request = match self.length {
            Some(length) => request.header(header::CONTENT_LENGTH, length),
            None => request,
        };
        match self.body.take() {
            Some(body) => request.body(body),
            None => request,
        }
    }

    /// Waits for the answer's head; fails when nothing moves for `pause`.
    pub(super) async fn watch(
        &self,
        request: impl Future<Output = reqwest::Result<Response>>,
        pause: Duration,
    ) -> Result<Response, Error> {
        let mut request = std::pin::pin!(request);
        let result = loop {
            let deadline = self.progress.lock().at + pause;
            tokio::select! {
                biased;
                result = &mut request => break result.map_err(|error| Operation::Put.transport(error)),
                () = sleep_until(deadline) => {
                    if self.progress.lock().at + pause <= Instant::now() {
                        break Err(Operation::Put.timed_out());
                    }
                }
            }
        };
        let mut progress = self.progress.lock();
        match (result, progress.failed.take()) {
            // The server cannot have a whole body, so nothing was written.
            (Err(_), Some(cause)) if self.length != Some(progress.bytes) => Err(cause),
            (result, _) => result,
        }
    }
}

/// The body of an answer as a value that fails if it stops to come.
pub(super) fn value_of(response: Response, read_timeout: Duration) -> Value {
    let length = response.content_length();
    let chunks = response.bytes_stream().map_err(|error| Operation::Get.transport(error));
    let chunks = stream::unfold(Some(chunks.boxed()), move |chunks| async move {
        let mut chunks = chunks?;
        match timeout(read_timeout, chunks.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(chunks))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => None,
            Err(_) => Some((Err(Operation::Get.timed_out()), None)),
        }
    });
    Value::Stream { length, chunks: chunks.boxed() }
}

/// Reads a value that is announced to be small, so that its failure is the answer's.
pub(super) async fn collect_if_small(value: Value) -> Result<Value, Error> {
    match value.length() {
        Some(length) if length <= SMALL_VALUE_BYTES => Ok(Value::Bytes(value.into_bytes().await?)),
        _ => Ok(value),
    }
}
