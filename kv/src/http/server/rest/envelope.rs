//! The envelope around every answer that is not a value (contract §3.2).

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::fault::Fault;
use crate::{
    Error, Reason, State,
    http::server::{
        reply::{Reply, refusal_headers},
        upload::Upload,
    },
};

/// An answer on the wire. `result_info` is only where the contract has it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
pub(super) struct Envelope<T, I> {
    success: bool,
    errors: Vec<Item>,
    messages: Vec<Item>,
    result: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_info: Option<I>,
}

/// An error.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiError")]
struct Item {
    code: u32,
    message: String,
}

/// An answer that is a failure, for its schema.
pub(super) type Failure = Envelope<(), ()>;

/// `result_info` of a list of namespaces.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PageInfo")]
pub(super) struct Numbered {
    pub(super) count: usize,
    pub(super) page: usize,
    pub(super) per_page: usize,
    pub(super) total_count: usize,
    pub(super) total_pages: usize,
}

/// `result_info` of a list of keys. An empty cursor is the end.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CursorInfo")]
pub(super) struct Cursored {
    pub(super) count: usize,
    pub(super) cursor: String,
}

/// An answer without `result_info`.
pub(super) fn success(result: impl Serialize, state: Option<&State>) -> Result<Response, Error> {
    success_with::<_, ()>(result, None, state)
}

/// An answer; `state` is that of the KvNamespace at which it is true.
pub(super) fn success_with<T: Serialize, I: Serialize>(
    result: T,
    info: Option<I>,
    state: Option<&State>,
) -> Result<Response, Error> {
    let envelope =
        Envelope { success: true, errors: Vec::new(), messages: Vec::new(), result, result_info: info };
    let body = serde_json::to_vec(&envelope).map_err(|error| {
        Error::new(Reason::Internal, "Failed to write the answer as JSON").with_source(error)
    })?;
    let mut response = match state {
        Some(state) => Reply::new(state, None).finish(StatusCode::OK, Body::from(body)),
        None => Response::new(Body::from(body)),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The answer to what was refused or failed, to a client that may still be sending its body.
pub(super) fn failure(fault: Fault, upload: Option<Upload>) -> Response {
    let Fault { status, code, message, error, allow } = fault;
    // The contract's words for a refusal at the door do not say what to do; these stand beside them.
    let messages = match error.reason() {
        Reason::Unauthenticated | Reason::Forbidden => vec![Item { code, message: error.to_string() }],
        _ => Vec::new(),
    };
    let errors = vec![Item { code, message }];
    let envelope = Failure { success: false, errors, messages, result: (), result_info: None };
    // Numbers and texts: they have a JSON form.
    let body = serde_json::to_string(&envelope).unwrap_or_default();
    let body = match upload {
        Some(upload) => upload.answer_while_draining(body),
        None => Body::from(body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    refusal_headers(&error, headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(allow) = allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    response
}
