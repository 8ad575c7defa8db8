//! The kubeconfig of a control plane that was started here, and clients made from one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use kube::config::KubeConfigOptions;

use crate::error::{HarnessError, Result};

/// An administrator's access: the address, a token, and the server's certificate as authority.
#[derive(Debug)]
pub(crate) struct Kubeconfig {
    path: PathBuf,
    server: SocketAddr,
    token: String,
}

impl Kubeconfig {
    /// Of an API server at `server`, with a new token; written to `path` by [`Kubeconfig::write`].
    pub(crate) fn new(path: PathBuf, server: SocketAddr) -> Kubeconfig {
        Kubeconfig { path, server, token: format!("{:032x}", rand::random::<u128>()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The content of the API server's `--token-auth-file`.
    pub(crate) fn token_file(&self) -> String {
        format!("{},admin,admin,\"system:masters\"\n", self.token)
    }

    pub(crate) fn write(&self, certificate: &Path) -> Result<()> {
        let Kubeconfig { path, server, token } = self;
        let content = format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - {{name: test, cluster: {{server: \"https://{server}\", certificate-authority: \"{}\"}}}}\n\
             users:\n\
             - {{name: admin, user: {{token: \"{token}\"}}}}\n\
             contexts:\n\
             - {{name: test, context: {{cluster: test, user: admin}}}}\n\
             current-context: test\n",
            certificate.display()
        );
        std::fs::write(path, content).map_err(HarnessError::io("write", path))
    }
}

/// A client with the access of the kubeconfig file `path`.
pub(crate) async fn client_of(path: &Path) -> Result<kube::Client> {
    let unreadable = |source| HarnessError::Kubeconfig { path: path.to_path_buf(), source: Box::new(source) };
    let kubeconfig = kube::config::Kubeconfig::read_from(path).map_err(unreadable)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(unreadable)?;
    kube::Client::try_from(config).map_err(|source| HarnessError::Kubernetes {
        action: format!("make a client from {}", path.display()),
        source: Box::new(source),
    })
}
