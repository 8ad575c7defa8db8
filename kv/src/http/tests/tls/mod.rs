//! TLS on real sockets: what is trusted, and files that are replaced while both sides run. The certificates beside this
//! file are for `localhost`, each of an authority of its own, whose key is gone.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio_util::sync::DropGuard;

use super::*;
use crate::{
    Error, GetOptions,
    http::server::{Tls, serve_with_drain},
};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/tests/tls");

/// A folder of files that are replaced.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("nearkv-tls-{}", Random::from_os().hex128()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As the kubelet does it when a Secret changes.
    fn hold(&self, certificate: &str) {
        for (from, to) in [("crt", "tls.crt"), ("key", "tls.key")] {
            let from = Path::new(HERE).join(format!("{certificate}.{from}"));
            std::fs::copy(from, self.path(to)).unwrap();
        }
    }

    fn trust(&self, certificate: &str) {
        std::fs::copy(Path::new(HERE).join(format!("{certificate}-ca.crt")), self.path("ca.crt")).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.0);
    }
}

async fn serve(files: &Files) -> (SocketAddr, DropGuard) {
    let tls = Tls::new(&files.path("tls.crt"), &files.path("tls.key")).unwrap();
    let harness = MemoryHarness::new();
    harness.memory.create(&"a/b".parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router = binding_router(harness.memory, &Settings::default());
    tokio::spawn(serve_with_drain(listener, router, Some(tls), shutdown.clone(), shutdown.clone()));
    (address, shutdown.drop_guard())
}

/// Reads over a connection of its own.
async fn read(address: SocketAddr, protocol: Protocol, files: &Files) -> Result<(), Error> {
    let ca_file = Some(files.path("ca.crt"));
    let settings = ClientSettings { protocol, ca_file, ..ClientSettings::default() };
    let client = Client::new(&format!("https://{address}"), &settings).unwrap();
    let key = Key::new("k").unwrap();
    client.get(&"a/b".parse().unwrap(), &key, &GetOptions::default()).await.map(drop)
}

#[tokio::test]
async fn tls_is_spoken_in_both_versions_of_http_with_whom_is_trusted() {
    let files = Files::new();
    files.hold("first");
    files.trust("first");
    let (address, _end) = serve(&files).await;
    for protocol in [Protocol::Http1, Protocol::H2c] {
        read(address, protocol, &files).await.unwrap();
    }
    files.trust("second");
    let refused = read(address, Protocol::Http1, &files).await.unwrap_err();
    assert_eq!(refused.reason().as_str(), "unavailable", "another authority is not trusted");
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("certificate is not trusted") && cause.contains("UnknownIssuer"), "{cause}");
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_and_a_broken_one_is_not() {
    let files = Files::new();
    files.hold("first");
    files.trust("first");
    let (address, _end) = serve(&files).await;
    read(address, Protocol::Http1, &files).await.unwrap();

    let pass = async || {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
    };
    std::fs::write(files.path("tls.crt"), "no certificate").unwrap();
    pass().await;
    read(address, Protocol::Http1, &files).await.unwrap();

    files.hold("second");
    pass().await;
    read(address, Protocol::Http1, &files).await.unwrap_err();
    files.trust("second");
    read(address, Protocol::Http1, &files).await.unwrap();
}

#[tokio::test]
async fn replaced_authorities_are_trusted_by_a_client_that_runs() {
    let files = Files::new();
    files.hold("second");
    files.trust("first");
    let (address, _end) = serve(&files).await;
    let settings = ClientSettings { ca_file: Some(files.path("ca.crt")), ..ClientSettings::default() };
    let client = Client::new(&format!("https://{address}"), &settings).unwrap();
    let (namespace, key) = ("a/b".parse().unwrap(), Key::new("k").unwrap());
    client.get(&namespace, &key, &GetOptions::default()).await.unwrap_err();
    files.trust("second");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    client.get(&namespace, &key, &GetOptions::default()).await.unwrap();
}

#[test]
fn files_that_cannot_be_used_are_told_at_the_start() {
    let files = Files::new();
    files.hold("first");
    std::fs::copy(Path::new(HERE).join("second.key"), files.path("tls.key")).unwrap();
    let error = Tls::new(&files.path("tls.crt"), &files.path("tls.key")).unwrap_err();
    assert!(error.to_string().contains("belong together"), "{error}");
    let error = Tls::new(&files.path("missing"), &files.path("tls.key")).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    let settings = ClientSettings { ca_file: Some(files.path("tls.key")), ..ClientSettings::default() };
    let error = Client::new("https://localhost", &settings).unwrap_err();
    assert!(error.to_string().contains("authorities"), "{error}");
}
