//! The admin listener's router: is the process alive, is it ready and what does it wait for, its metrics, and what it
//! logs.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};

use crate::{metrics::MEDIA_TYPE, telemetry::LogFilter};

/// What a process tells about itself.
pub trait Admin: Send + Sync + 'static {
    /// What the process waits for before it can serve; `None` when it is ready. Asked on every probe.
    fn waits_for(&self) -> Option<String>;

    /// All metrics in OpenMetrics text format.
    fn metrics(&self) -> String;
}

/// `/livez` (200 as soon as the process serves at all), `/readyz` (503 with what it waits for), `/metrics`; and where
/// there is a `log`, `/log`: GET tells its filter, PUT sets it.
pub fn admin_router(admin: Arc<dyn Admin>, log: Option<LogFilter>) -> Router {
    let told = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(admin);
    match log {
        Some(log) => told.merge(Router::new().route("/log", get(filter).put(set_filter)).with_state(log)),
        None => told,
    }
}

async fn filter(State(log): State<LogFilter>) -> String {
    format!("{}\n", log.text())
}

async fn set_filter(State(log): State<LogFilter>, given: String) -> impl IntoResponse {
    match log.set(given.trim()) {
        Ok(()) => {
            tracing::info!(filter = log.text(), "the log has another filter");
            (StatusCode::OK, format!("{}\n", log.text()))
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

async fn readyz(State(admin): State<Arc<dyn Admin>>) -> impl IntoResponse {
    match admin.waits_for() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("waits for {what}\n")),
    }
}

async fn metrics(State(admin): State<Arc<dyn Admin>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], admin.metrics())
}
