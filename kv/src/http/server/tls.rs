//! TLS towards clients, from files in the layout of cert-manager's Secrets (`tls.crt`, `tls.key`), which are read again
//! when they are replaced.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring::{default_provider, sign::any_supported_type},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use crate::reread::Reread;

/// Why TLS cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or holds none of what it should.
    #[error("failed to read {what} from {path}; PEM is needed")]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key cannot be used, or do not belong together.
    #[error("failed to use the certificate and key of TLS; do they belong together?")]
    Key(#[source] rustls::Error),
}

/// Serves TLS 1.2 and 1.3, with h2 and HTTP/1.1 by ALPN. Cheap to clone.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// TLS with the certificate chain and key in these files.
    ///
    /// # Errors
    /// [`TlsError`]. Later, files that cannot be used are told in the log, and the last good ones stay.
    pub fn new(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let certificate = Reloading::new(cert_file, key_file)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Key)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(certificate));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<tokio_rustls::server::TlsStream<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        self.0.accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// The certificate that is shown.
struct Reloading {
    cert_file: PathBuf,
    key_file: PathBuf,
    known: Reread<Arc<CertifiedKey>>,
}

impl Reloading {
    fn new(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let read = read(cert_file, key_file)?;
        let known = Reread::new("certificate", cert_file, Arc::new(read));
        Ok(Self { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), known })
    }

    fn certificate(&self) -> Arc<CertifiedKey> {
        self.known.get(|last| {
            let read = read(&self.cert_file, &self.key_file)?;
            if read.cert == last.cert {
                return Ok(Arc::clone(last));
            }
            tracing::info!(path = %self.cert_file.display(), "the certificate was replaced");
            Ok::<_, TlsError>(Arc::new(read))
        })
    }
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reloading({})", self.cert_file.display())
    }
}

impl ResolvesServerCert for Reloading {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certificate())
    }
}

fn read(cert_file: &Path, key_file: &Path) -> Result<CertifiedKey, TlsError> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(cert_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed("certificates", cert_file))?;
    if chain.is_empty() {
        return Err(failed("certificates", cert_file)(rustls::pki_types::pem::Error::NoItemsFound));
    }
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(failed("a private key", key_file))?;
    let certified = CertifiedKey::new(chain, any_supported_type(&key).map_err(TlsError::Key)?);
    match certified.keys_match() {
        // What a signer does not tell is found out in the handshake.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(error) => Err(TlsError::Key(error)),
    }
}
