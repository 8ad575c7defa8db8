//! The admin listener's router: is the process alive, is it ready and what does it wait for, and its metrics.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

/// What a process tells about itself.
pub trait Admin: Send + Sync + 'static {
    /// What the process waits for before it can serve; `None` when it is ready. Asked on every probe.
    fn waits_for(&self) -> Option<String>;

    /// All metrics in OpenMetrics text format.
    fn metrics(&self) -> String;
}

/// `/livez` (200 as soon as the process serves at all), `/readyz` (503 with what it waits for), `/metrics`.
pub fn admin_router(admin: Arc<dyn Admin>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

async fn readyz(State(admin): State<Arc<dyn Admin>>) -> impl IntoResponse {
    match admin.waits_for() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("waits for {what}\n")),
    }
}

async fn metrics(State(admin): State<Arc<dyn Admin>>) -> impl IntoResponse {
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media_type)], admin.metrics())
}
