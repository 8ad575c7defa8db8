//! The body of a request: handed on as a stream, while the face keeps a hand on it, so that what a refusal
//! left unread can still be taken off the connection.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, header};
use http_body::Body as _;
use parking_lot::Mutex;

use crate::{Error, Reason, Value};

/// How much of a refused body is read and dropped: a bulk write of the largest size and some. Without that, closing
/// the connection under a client that still sends resets it, and the refusal is lost with it.
const DRAIN_BYTES: usize = 128 * 1024 * 1024;
/// How long a refused sender may pause before it is taken to have stopped.
const DRAIN_PAUSE: Duration = Duration::from_secs(1);

/// A body that is not empty.
#[derive(Clone)]
pub(super) struct Upload {
    body: Arc<Mutex<Body>>,
    length: Option<u64>,
    /// Whether the client waits for our consent (RFC 9110 §10.1.1): nothing is to be drained then.
    asks_first: bool,
}

impl Upload {
    /// `None` for a request without a body.
    pub(super) fn new(body: Body, headers: &HeaderMap) -> Option<Self> {
        if body.is_end_stream() {
            return None;
        }
        let length = body.size_hint().exact();
        let asks_first = headers.contains_key(header::EXPECT);
        Some(Self { body: Arc::new(Mutex::new(body)), length, asks_first })
    }

    /// The body as a value, with the length the client announced.
    pub(super) fn value(&self) -> Value {
        Value::Stream { length: self.length, chunks: self.chunks() }
    }

    /// The body as it comes.
    pub(super) fn chunks(&self) -> BoxStream<'static, Result<Bytes, Error>> {
        let chunks = stream::unfold(self.clone(), |upload| async move {
            let chunk = poll_fn(|context| upload.poll_chunk(context)).await?;
            Some((chunk, upload))
        });
        chunks.boxed()
    }

    /// The whole body; `None` where it is longer than `limit`.
    pub(super) async fn bytes(&self, limit: usize) -> Result<Option<Bytes>, Error> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = poll_fn(|context| self.poll_chunk(context)).await {
            let chunk = chunk?;
            if whole.len() + chunk.len() > limit {
                return Ok(None);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Some(whole.freeze()))
    }

    /// A body that says `text` at once, and ends when the client has stopped to send.
    pub(super) fn answer_while_draining(self, text: String) -> Body {
        if self.asks_first || self.body.lock().is_end_stream() {
            return Body::from(text);
        }
        let first = stream::once(async move { Ok::<_, Error>(Bytes::from(text)) });
        let rest = stream::once(self.drain()).filter_map(|()| async { None });
        Body::from_stream(first.chain(rest))
    }

    async fn drain(self) {
        let mut left = DRAIN_BYTES;
        let next = || tokio::time::timeout(DRAIN_PAUSE, poll_fn(|context| self.poll_chunk(context)));
        while let Ok(Some(Ok(chunk))) = next().await {
            match left.checked_sub(chunk.len()) {
                Some(less) => left = less,
                None => return,
            }
        }
    }

    fn poll_chunk(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut body = self.body.lock();
        loop {
            let frame = match ready!(Pin::new(&mut *body).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    let text = "The request's body broke off before its end; nothing was written";
                    let error = Error::new(Reason::BodyIncomplete, text).with_source(error);
                    return Poll::Ready(Some(Err(error)));
                }
            };
            // Trailers say nothing to us.
            if let Ok(data) = frame.into_data() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
    }
}
