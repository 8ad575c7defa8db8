//! Both faces as a server: one router for origin and edge, whatever [`Kv`] is behind it; the listener
//! that serves it over HTTP/1.1 and h2c; and the admin listener's router.

mod access_log;
mod admin;
pub mod args;
mod bulk;
mod face;
mod list;
mod operation;
mod question;
mod range;
mod read;
mod reply;
mod requests;
mod rest;
mod serve;
mod tls;
mod upload;
mod write;

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, task};

use axum::{Router, body::Body, response::Response};
use http::Request;
use http_body::Body as _;
use tokio::time::Instant;
use tower::Service;
use tracing::Instrument;

pub use admin::{Admin, admin_router};
pub use question::ACCESS_PATH;
pub use reply::refusal;
pub use requests::Requests;
pub use serve::{ServeError, serve, serve_with_drain};
pub use tls::{Tls, TlsError};

use crate::{
    Kv, Namespaces,
    access::{Caller, Guard, Guarded},
    http::names,
    metrics::Count,
};
use access_log::Access;
use face::Face;
use operation::Operation;
use requests::{Counted, FaceName};
use rest::RestFace;

/// What distinguishes one server from another.
#[derive(Clone, Default)]
pub struct Settings {
    /// The region that stands in `Cache-Status: nearkv-<region>`. `None` for an origin, which is no cache and
    /// sends no such header.
    pub region: Option<String>,
    /// Who decides what a caller may do. `None` lets everybody do everything.
    pub guard: Option<Arc<Guard>>,
    /// What is counted of the requests; register it with the metrics of the process.
    pub requests: Arc<Requests>,
}

/// Both faces: the binding face over `kv`, and the REST face over `kv` and `namespaces` below `/client/v4`. They take
/// every request that no other route of the router takes, on the raw path. With a guard, both stand behind it, and
/// other servers may ask it at [`ACCESS_PATH`].
pub fn router(kv: Arc<dyn Kv>, namespaces: Arc<dyn Namespaces>, settings: &Settings) -> Router {
    faces(kv, Some(namespaces), settings)
}

/// The binding face alone, where nobody manages namespaces.
pub fn binding_router(kv: Arc<dyn Kv>, settings: &Settings) -> Router {
    faces(kv, None, settings)
}

fn faces(kv: Arc<dyn Kv>, namespaces: Option<Arc<dyn Namespaces>>, settings: &Settings) -> Router {
    let guard = settings.guard.clone();
    // From here on there is no way to the values but through the guard.
    let kv: Arc<dyn Kv> = match &guard {
        Some(guard) => Arc::new(Guarded::new(kv, Arc::clone(guard))),
        None => kv,
    };
    let rest = namespaces.map(|namespaces| RestFace::new(Arc::clone(&kv), namespaces, guard.clone()));
    let (binding, requests) = (Face::new(kv, settings), Arc::clone(&settings.requests));
    Router::new().fallback_service(Faces(Arc::new(Both { binding, rest, guard, requests })))
}

struct Both {
    binding: Face,
    rest: Option<RestFace>,
    guard: Option<Arc<Guard>>,
    requests: Arc<Requests>,
}

impl Both {
    /// `Nearkv-Namespace` makes the whole path a key, also one that begins like the REST face's (design §4).
    fn rest_for<B>(&self, request: &Request<B>) -> Option<&RestFace> {
        let inner = request.uri().path().strip_prefix(rest::BASE)?;
        let below = inner.is_empty() || inner.starts_with('/');
        let is_key = request.headers().contains_key(&names::NEARKV_NAMESPACE);
        self.rest.as_ref().filter(|_| below && !is_key)
    }

    /// The same of the question that other servers ask.
    fn questioned<B>(&self, request: &Request<B>) -> Option<&Guard> {
        let is_it = request.uri().path() == ACCESS_PATH;
        let is_key = request.headers().contains_key(&names::NEARKV_NAMESPACE);
        self.guard.as_deref().filter(|_| is_it && !is_key)
    }

    /// Answers, counts, and tells the log and the trace.
    async fn answer(&self, request: Request<Body>) -> Response {
        let started = Instant::now();
        let (request, received) = count_body(request);
        let span = access_log::span(&request);
        let (face, operation, response) = self.dispatch(request).instrument(span.clone()).await;
        let (took, received) = (started.elapsed(), received.map_or(0, |received| received.get()));
        let (ended, response) = self.requests.count(face, operation, took, received, response);
        access_log::told(&span, &Access { face, operation, ended, took, received }, &response);
        response
    }

    async fn dispatch(&self, request: Request<Body>) -> (FaceName, Operation, Response) {
        if let Some(guard) = self.questioned(&request) {
            let (parts, _) = request.into_parts();
            let answer = question::answer(guard, &Caller::current(), &parts).await;
            return (FaceName::Access, Operation::Access, answer);
        }
        let mut operation = Operation::default();
        match self.rest_for(&request) {
            Some(rest) => {
                let response = rest.answer(request, &mut operation).await;
                (FaceName::Rest, operation, response)
            }
            None => {
                let response = self.binding.answer(request, &mut operation).await;
                (FaceName::Binding, operation, response)
            }
        }
    }
}

/// The faces as a service: one boxed future per request, no extractors.
#[derive(Clone)]
struct Faces(Arc<Both>);

impl Service<Request<Body>> for Faces {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Infallible>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let faces = Arc::clone(&self.0);
        let caller = Caller::take(request.headers_mut());
        let answer = async move { Ok(faces.answer(request).await) };
        Box::pin(caller.scope(answer))
    }
}

/// The request with its body counted, if it has one.
fn count_body(request: Request<Body>) -> (Request<Body>, Option<Arc<Count>>) {
    if request.body().is_end_stream() {
        return (request, None);
    }
    let received = Arc::new(Count::default());
    let count = Arc::clone(&received);
    let counted = move |bytes| count.add(bytes);
    (request.map(|body| Body::new(Counted { body, counted })), Some(received))
}
