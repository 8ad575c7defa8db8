//! The binding face as a server: one router for origin and edge, whatever [`Kv`] is behind it; the listener
//! that serves it over HTTP/1.1 and h2c; and the admin listener's router.

mod admin;
mod bulk;
mod face;
mod list;
mod range;
mod read;
mod reply;
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

use crate::Kv;
use face::Face;

/// What distinguishes one server from another.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The region that stands in `Cache-Status: nearkv-<region>`. `None` for an origin, which is no cache and
    /// sends no such header.
    pub region: Option<String>,
}

/// The binding face over `kv`. It takes every request that no other route of the router takes, on the raw
/// path, so that other faces can be merged into it.
pub fn router(kv: Arc<dyn Kv>, settings: &Settings) -> Router {
    Router::new().fallback_service(BindingFace(Arc::new(Face::new(kv, settings))))
}

/// [`Face`] as a service: one boxed future per request, no extractors.
#[derive(Clone)]
struct BindingFace(Arc<Face>);

impl Service<Request<Body>> for BindingFace {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Infallible>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let face = Arc::clone(&self.0);
        Box::pin(async move { Ok(face.answer(request).await) })
    }
}
