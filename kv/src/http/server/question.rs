//! `GET /auth/v1/access`: what may the bearer of this token do? Asked by edges with their client's own token, so it
//! tells nobody more than it could find out by trying, and needs no trust in who asks.

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, header, request::Parts};

use super::reply::refusal;
use crate::{
    Error,
    access::{Caller, Guard},
    http::questions,
};

pub use crate::http::questions::ACCESS_PATH;

pub(super) async fn answer(guard: &Guard, caller: &Caller, parts: &Parts) -> Response {
    match decide(guard, caller, parts).await {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => refusal(&error),
    }
}

async fn decide(guard: &Guard, caller: &Caller, parts: &Parts) -> Result<String, Error> {
    if parts.method != Method::GET {
        return Err(Error::method_not_allowed());
    }
    let access = questions::read(parts.uri.query().unwrap_or_default())?;
    let Caller::Bearer(token) = caller else {
        return guard.admit(caller, access).await.map(|_| String::new());
    };
    Ok(questions::write_decision(guard.decision(token, &access).await?))
}
