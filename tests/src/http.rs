//! The HTTP client of the harness: plain, with limits, so that no test hangs on a server that does.

use std::sync::Once;
use std::time::Duration;

/// Longer than any answer under load on a busy 2-core machine; a test that waits longer has failed.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// A new client. One per test: its connections belong to the test's runtime.
pub fn client() -> reqwest::Client {
    patient_client(REQUEST_LIMIT)
}

/// A new client for requests that take long by themselves.
pub fn patient_client(limit: Duration) -> reqwest::Client {
    build(reqwest::Client::builder().timeout(limit))
}

/// A new client that makes a connection for each request.
pub fn client_without_keep_alive() -> reqwest::Client {
    build(reqwest::Client::builder().timeout(REQUEST_LIMIT).pool_max_idle_per_host(0))
}

fn build(builder: reqwest::ClientBuilder) -> reqwest::Client {
    install_crypto();
    builder
        .build()
        // The builder fails without a TLS provider, which was just installed; the default client
        // would fail the same way.
        .unwrap_or_default()
}

/// Chooses the implementation of TLS for this process: kube and reqwest both leave it to the program.
pub(crate) fn install_crypto() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error says that one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
