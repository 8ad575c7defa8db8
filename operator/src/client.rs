//! Clients of the API server. Whatever they send tells it which trace it belongs to (W3C Trace Context), so that the API
//! server's own spans join it.

use http::Request;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
};
use nearkv::telemetry;
use tower::util::MapRequestLayer;

/// A client for everything but the store, which makes its own.
///
/// # Errors
/// What is wrong with the configuration.
pub(crate) fn connect(config: Config) -> kube::Result<Client> {
    Ok(ClientBuilder::try_from(config)?.with_layer(&traced()).build())
}

/// Adds `traceparent` to what is sent within a span. While traces are off it does nothing.
pub(crate) fn traced() -> MapRequestLayer<fn(Request<Body>) -> Request<Body>> {
    MapRequestLayer::new(|mut request| {
        telemetry::inject(request.headers_mut());
        request
    })
}
