//! What it means when a request fails: refused by the server, or lost on the way.

use std::time::Duration;

use futures::StreamExt;
use http::header;
use reqwest::{Response, StatusCode};

use super::{bodies::value_of, trust::Distrusted};
use crate::{Error, Reason, Value, http::names};

/// Longest error text that is taken over.
const MAX_TEXT_BYTES: usize = 4096;
/// When to try again after an upstream could not be asked.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The operations, told apart by what their failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    List,
    Put,
    Delete,
}

impl Operation {
    pub(super) fn is_write(self) -> bool {
        match self {
            Self::Get | Self::List => false,
            Self::Put | Self::Delete => true,
        }
    }

    /// The request or its answer was lost.
    pub(super) fn transport(self, error: reqwest::Error) -> Error {
        if let Some(distrusted) = Distrusted::of(&error) {
            return unavailable("The upstream's certificate is not trusted").with_source(distrusted);
        }
        // Only without a connection it is certain that nothing was sent.
        let unsent = error.is_connect() || error.is_builder();
        let failure = match (self.is_write(), unsent) {
            (_, true) => unavailable("The upstream cannot be reached"),
            (false, false) => unavailable("The upstream broke off its answer"),
            (true, false) => unknown("the upstream broke off"),
        };
        failure.with_source(error)
    }

    /// No answer came in time.
    pub(super) fn timed_out(self) -> Error {
        if self.is_write() {
            unknown("the upstream did not answer in time")
        } else {
            unavailable("The upstream did not answer in time")
        }
    }

    /// The answer is none of a nearkv server.
    pub(super) fn foreign(self) -> Error {
        if self.is_write() {
            unknown("the answer is none of a nearkv server")
        } else {
            unavailable("The upstream's answer is none of a nearkv server")
        }
    }

    /// What a status means that comes without a reason we know: from a proxy, or a newer server.
    fn reason_of(self, status: StatusCode) -> Reason {
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Reason::RouteMissing,
            StatusCode::METHOD_NOT_ALLOWED => Reason::MethodNotAllowed,
            StatusCode::CONFLICT => Reason::KeyDeclared,
            StatusCode::PRECONDITION_FAILED => Reason::PreconditionFailed,
            StatusCode::PAYLOAD_TOO_LARGE => Reason::ValueTooLong,
            StatusCode::URI_TOO_LONG => Reason::KeyTooLong,
            StatusCode::TOO_MANY_REQUESTS => Reason::Throttled,
            status if status.is_client_error() => Reason::RequestInvalid,
            // A proxy that gives up does not know what became of the request.
            _ if self.is_write() => Reason::OutcomeUnknown,
            _ => Reason::Unavailable,
        }
    }
}

fn unavailable(text: &str) -> Error {
    Error::new(Reason::Unavailable, text).with_retry_after(RETRY_AFTER)
}

fn unknown(why: &str) -> Error {
    Error::new(Reason::OutcomeUnknown, format!("The outcome of the write is unknown: {why}"))
}

/// The error that an answer stands for.
pub(super) async fn refused(operation: Operation, response: Response, read_timeout: Duration) -> Error {
    let status = response.status();
    let text_of =
        |name| response.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let reason = text_of(&names::NEARKV_REASON).and_then(Reason::parse);
    let version = text_of(&names::NEARKV_VERSION).and_then(|text| text.parse().ok());
    let retry_after =
        text_of(&header::RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let reason = reason.unwrap_or_else(|| operation.reason_of(status));
    let text = text(value_of(response, read_timeout)).await;
    let text = text.unwrap_or_else(|| format!("The upstream answered {status}"));
    let mut error = Error::new(reason, text);
    if let Some(version) = version {
        error = error.with_version(version);
    }
    match retry_after {
        Some(after) => error.with_retry_after(after),
        None => error,
    }
}

/// The text of an error's body; `None` where it has none.
async fn text(body: Value) -> Option<String> {
    let mut text = Vec::new();
    let mut chunks = body.into_limited_stream();
    while let Some(Ok(chunk)) = chunks.next().await {
        text.extend_from_slice(&chunk);
        if text.len() >= MAX_TEXT_BYTES {
            text.truncate(MAX_TEXT_BYTES);
            break;
        }
    }
    Some(String::from_utf8_lossy(&text).into_owned()).filter(|text| !text.is_empty())
}
