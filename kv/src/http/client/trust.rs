//! Whom a client trusts over TLS: the authorities in a file, which is read again when it is replaced, as a Secret's
//! `ca.crt` is.

use std::{
    error::Error as StdError,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::settings::{ClientError, Protocol};
use crate::reread::Reread;

/// A server was not believed to be the one it should be. Nothing was sent to it.
#[derive(Debug, thiserror::Error)]
#[error("the server's certificate is not trusted: {0}")]
pub struct Distrusted(rustls::Error);

impl Distrusted {
    /// Whether that is what a request failed with.
    pub(super) fn of(error: &reqwest::Error) -> Option<Self> {
        let fault = error.source().and_then(tls_fault)?;
        matches!(fault, rustls::Error::InvalidCertificate(_)).then(|| Self(fault.clone()))
    }
}

/// The error of TLS among the causes of an error.
fn tls_fault<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    if let Some(fault) = error.downcast_ref() {
        return Some(fault);
    }
    // An I/O error names the cause of what it holds as its own, and not what it holds.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => tls_fault(held),
        None => error.source().and_then(tls_fault),
    }
}

/// A TLS configuration that trusts the authorities in `ca_file` and no others.
pub(super) fn config(ca_file: &Path, protocol: Protocol) -> Result<ClientConfig, ClientError> {
    let verifier = Arc::new(Trusted::new(ca_file)?);
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(failed(ca_file))?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::H2c => b"h2".to_vec(),
    }];
    Ok(config)
}

fn failed<E: std::error::Error + Send + Sync + 'static>(path: &Path) -> impl Fn(E) -> ClientError {
    let path = path.to_owned();
    move |source| ClientError::Authorities { path: path.clone(), source: Box::new(source) }
}

/// rustls' own verifier over the authorities of a file.
#[derive(Debug)]
struct Trusted {
    path: PathBuf,
    known: Reread<Arc<WebPkiServerVerifier>>,
}

impl Trusted {
    fn new(path: &Path) -> Result<Self, ClientError> {
        Ok(Self { path: path.to_owned(), known: Reread::new("authorities", path, read(path)?) })
    }

    fn verifier(&self) -> Arc<WebPkiServerVerifier> {
        self.known.get(|_| read(&self.path))
    }
}

fn read(path: &Path) -> Result<Arc<WebPkiServerVerifier>, ClientError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(failed(path))? {
        roots.add(certificate.map_err(failed(path))?).map_err(failed(path))?;
    }
    // Without any certificate the builder refuses.
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
        .build()
        .map_err(failed(path))
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verifier = self.verifier();
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier().supported_verify_schemes()
    }
}
