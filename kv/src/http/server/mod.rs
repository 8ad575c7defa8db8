//! Both faces as a server: one router for origin and edge, whatever [`Kv`] is behind it; the listener
//! that serves it over HTTP/1.1 and h2c; and the admin listener's router.

mod admin;
mod bulk;
mod face;
mod list;
mod range;
mod read;
mod reply;
mod rest;
mod serve;
mod upload;
mod write;

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, task};

use axum::{Router, body::Body, response::Response};
use http::Request;
use tower::Service;

pub use admin::{Admin, admin_router};
pub use reply::refusal;
pub use serve::{ServeError, serve};

use crate::{Kv, Namespaces, http::names};
use face::Face;
use rest::RestFace;

/// What distinguishes one server from another.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The region that stands in `Cache-Status: nearkv-<region>`. `None` for an origin, which is no cache and
    /// sends no such header.
    pub region: Option<String>,
}

/// Both faces: the binding face over `kv`, and the REST face over `kv` and `namespaces` below `/client/v4`. They take
/// every request that no other route of the router takes, on the raw path.
pub fn router(kv: Arc<dyn Kv>, namespaces: Arc<dyn Namespaces>, settings: &Settings) -> Router {
    let rest = Some(RestFace::new(Arc::clone(&kv), namespaces));
    Router::new().fallback_service(Faces(Arc::new(Both { binding: Face::new(kv, settings), rest })))
}

/// The binding face alone, where nobody manages namespaces.
pub fn binding_router(kv: Arc<dyn Kv>, settings: &Settings) -> Router {
    Router::new().fallback_service(Faces(Arc::new(Both { binding: Face::new(kv, settings), rest: None })))
}

struct Both {
    binding: Face,
    rest: Option<RestFace>,
}

impl Both {
    /// `Nearkv-Namespace` makes the whole path a key, also one that begins like the REST face's (design §4).
    fn rest_for<B>(&self, request: &Request<B>) -> Option<&RestFace> {
        let inner = request.uri().path().strip_prefix(rest::BASE)?;
        let below = inner.is_empty() || inner.starts_with('/');
        let is_key = request.headers().contains_key(&names::NEARKV_NAMESPACE);
        self.rest.as_ref().filter(|_| below && !is_key)
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let faces = Arc::clone(&self.0);
        Box::pin(async move {
            Ok(match faces.rest_for(&request) {
                Some(rest) => rest.answer(request).await,
                None => faces.binding.answer(request).await,
            })
        })
    }
}
