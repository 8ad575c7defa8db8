//! How a command reaches a server: the one that `--server` names, or the one in the cluster of the kubeconfig, through
//! a port-forward (`cluster`). Everything after this sees one HTTP client.

mod service_name;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use nearkv::Namespace;
use nearkv::access::{BearerToken, TokenFile};
use nearkv::http::client::{Client, ClientSettings, Credentials};

use crate::cluster::{self, Tunnel};
use crate::exit::Exit;
use crate::failure::Failure;

pub use service_name::ServiceName;

/// The account where neither `-n` nor a kubeconfig names one.
const DEFAULT_ACCOUNT: &str = "default";
/// Longest time to make a connection: a person in front of a server far away waits that long, and not longer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence of the server: a bulk write of 100 MB is committed before it answers.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Which cluster, as kubectl's flags say it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where")]
pub struct ClusterArgs {
    /// The Kubernetes namespace of the KvNamespace (its account). Default: that of the kubeconfig's context; with
    /// --server, `default`.
    #[arg(short, long, value_name = "NAMESPACE", env = "NEARKV_NAMESPACE")]
    pub namespace: Option<String>,

    /// The context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "CONTEXT", env = "NEARKV_CONTEXT")]
    pub context: Option<String>,

    /// The kubeconfig. Default: as for kubectl, $KUBECONFIG or ~/.kube/config.
    #[arg(long, value_name = "FILE", env = "NEARKV_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
}

/// Which server.
#[derive(Clone, Debug, Default, Args)]
pub struct ServerArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// The URL of a server, an origin or an edge, such as http://127.0.0.1:8700. Then no kubeconfig is read. Default:
    /// the service labelled app.kubernetes.io/name=nearkv in the cluster, through a port-forward.
    #[arg(long, value_name = "URL", env = "NEARKV_SERVER", help_heading = "Where")]
    pub server: Option<String>,

    /// The service in the cluster, where there is more than one of nearkv, or you may not list services.
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        env = "NEARKV_SERVICE",
        help_heading = "Where",
        conflicts_with = "server"
    )]
    pub service: Option<ServiceName>,

    /// The token that is shown to the server, where it asks for one: of a ServiceAccount with audience nearkv, or of a
    /// binding. Better in the environment than here, where other users of the machine may see it.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "NEARKV_TOKEN",
        hide_env_values = true,
        help_heading = "Where",
        conflicts_with = "token_file"
    )]
    pub token: Option<Secret>,

    /// A file with the token, which is read again when it is replaced.
    #[arg(long, value_name = "FILE", env = "NEARKV_TOKEN_FILE", help_heading = "Where")]
    pub token_file: Option<PathBuf>,

    /// A file with the authorities, as PEM, by which a server that speaks TLS is trusted. Default: those of the system.
    #[arg(long, value_name = "FILE", env = "NEARKV_CERTIFICATE_AUTHORITY", help_heading = "Where")]
    pub certificate_authority: Option<PathBuf>,
}

/// A text that is not shown, be it well formed or not.
#[derive(Clone)]
pub struct Secret(String);

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// A server that can be asked. Dropping it ends the port-forward.
#[derive(Debug)]
pub struct Reached {
    /// The client of it.
    pub client: Client,
    account: String,
    tunnel: Option<Tunnel>,
}

impl Reached {
    /// The account: the Kubernetes namespace.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The KvNamespace `name` of the account.
    ///
    /// # Errors
    /// A wrong command line, for what is no name.
    pub fn namespace(&self, name: &str) -> Result<Namespace, Failure> {
        namespace(&self.account, name)
    }

    /// Ends the port-forward, and waits for it.
    pub async fn end(self) {
        if let Some(tunnel) = self.tunnel {
            tunnel.end().await;
        }
    }
}

impl ServerArgs {
    /// Finds the server. One that is named is not asked for anything yet.
    ///
    /// # Errors
    /// A URL that is none; a cluster that cannot be asked or has no nearkv.
    pub async fn reach(&self) -> Result<Reached, Failure> {
        if let Some(url) = &self.server {
            return Ok(Reached {
                client: self.client(url, None)?,
                account: self.account_without_cluster(),
                tunnel: None,
            });
        }
        let (tunnel, account) = cluster::tunnel(&self.cluster, self.service.as_ref()).await?;
        let client = self.client(tunnel.url(), Some(tunnel.address()))?;
        Ok(Reached { client, account, tunnel: Some(tunnel) })
    }

    /// The URL at which programs reach the server, and the account: that of `--server`, or the service's own in the
    /// cluster. Nothing is forwarded.
    ///
    /// # Errors
    /// As for [`ServerArgs::reach`].
    pub async fn address(&self) -> Result<(String, String), Failure> {
        if let Some(url) = &self.server {
            self.client(url, None)?;
            return Ok((url.trim_end_matches('/').to_owned(), self.account_without_cluster()));
        }
        cluster::address(&self.cluster, self.service.as_ref()).await
    }

    /// A client of the server with this URL, and at this address where DNS does not know it.
    fn client(&self, url: &str, address: Option<SocketAddr>) -> Result<Client, Failure> {
        let settings = ClientSettings {
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            ca_file: self.certificate_authority.clone(),
            address,
            ..ClientSettings::default()
        };
        let client =
            Client::new(url, &settings).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let credentials = match (&self.token, &self.token_file) {
            (Some(Secret(text)), _) => {
                let token = BearerToken::new(text).map_err(|_| {
                    Failure::usage("--token (or NEARKV_TOKEN) is no bearer token".to_owned())
                        .with_advice("`kubectl create token NAME --audience nearkv` makes one")
                })?;
                Credentials::Token(token)
            }
            (None, Some(path)) => Credentials::File(Arc::new(TokenFile::new(path))),
            (None, None) => Credentials::None,
        };
        Ok(client.with_credentials(credentials))
    }

    fn account_without_cluster(&self) -> String {
        self.cluster.namespace.clone().unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned())
    }
}

/// The KvNamespace `name` of `account`.
///
/// # Errors
/// A wrong command line, for what is no name.
pub fn namespace(account: &str, name: &str) -> Result<Namespace, Failure> {
    Namespace::new(account, name).map_err(|error| {
        Failure::usage(error.to_string())
            .with_advice("NAME is that of the KvNamespace object; -n is the account")
    })
}
