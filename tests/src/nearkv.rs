//! nearkv's own processes: an operator, an edge in front of an origin or another edge, and the
//! development mode.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries::Binaries;
use crate::control_plane::ControlPlane;
use crate::error::{HarnessError, Result};
use crate::kv::Kv;
use crate::metrics::Metrics;
use crate::ports::free_port;
use crate::process::{Process, Program};

/// For one process to become ready.
const START_LIMIT: Duration = Duration::from_secs(60);

/// For one process to end after SIGTERM: its own drain limits are shorter.
pub const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Flags of an operator that sends to the API server what it can: its own, which nobody else needs.
pub const UNPACED: [&str; 1] = ["--pace-bytes-per-second=0"];

/// A process with a data listener and an admin listener.
#[derive(Debug)]
pub struct Server {
    /// Its handle, for kills and restarts.
    pub process: Process,
    url: String,
    admin: String,
}

impl Server {
    /// `nearkv-operator run`, which serves and reconciles the KvNamespaces of one Kubernetes
    /// namespace; `flags` come last.
    pub async fn operator(
        name: &str,
        control_plane: &ControlPlane,
        namespace: &str,
        flags: &[&str],
    ) -> Result<Server> {
        let binaries = tokio::task::block_in_place(Binaries::build)?;
        Server::operator_of(binaries.operator, name, control_plane, namespace, flags).await
    }

    /// As [`Server::operator`], from another executable.
    pub async fn operator_of(
        executable: PathBuf,
        name: &str,
        control_plane: &ControlPlane,
        namespace: &str,
        flags: &[&str],
    ) -> Result<Server> {
        let program = Program::new(name, executable)
            .args(["run", "--watch-namespace", namespace])
            // A test that is about access says --auth=on.
            .env("NEARKV_AUTH", "off")
            .args(flags.iter().copied())
            .env("KUBECONFIG", control_plane.kubeconfig().display().to_string())
            .env("POD_NAME", name);
        Server::start(program).await
    }

    /// `nearkv-edge-cache` in front of `origin` (the URL of an operator, an edge or a development
    /// mode); `flags` come last.
    pub async fn edge(name: &str, origin: &str, region: &str, flags: &[&str]) -> Result<Server> {
        let binaries = tokio::task::block_in_place(Binaries::build)?;
        Server::edge_of(binaries.edge_cache, name, origin, region, flags).await
    }

    /// As [`Server::edge`], from another executable.
    pub async fn edge_of(
        executable: PathBuf,
        name: &str,
        origin: &str,
        region: &str,
        flags: &[&str],
    ) -> Result<Server> {
        let program = Program::new(name, executable)
            .args(["--origin", origin, "--region", region])
            .env("NEARKV_AUTH", "off")
            .args(flags.iter().copied());
        Server::start(program).await
    }

    async fn start(program: Program) -> Result<Server> {
        let (data, admin) = (free_port()?, free_port()?);
        let process = program
            .args(["--listen", &format!("127.0.0.1:{data}")])
            .args(["--admin-listen", &format!("127.0.0.1:{admin}")])
            .start()?;
        let mut server = Server {
            process,
            url: format!("http://127.0.0.1:{data}"),
            admin: format!("http://127.0.0.1:{admin}"),
        };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// The base URL of its data listener, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The base URL of its admin listener, without a slash at the end.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// What it tells at `/metrics`.
    pub async fn metrics(&self) -> Result<Metrics> {
        Metrics::fetch(&format!("{}/metrics", self.admin)).await
    }

    /// The base of the binding face of one KvNamespace, without a slash at the end.
    pub fn kv(&self, account: &str, name: &str) -> String {
        format!("{}/kv/{account}/{name}", self.url)
    }

    /// Waits until its `/readyz` says so.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        let ready = format!("{}/readyz", self.admin);
        self.process.wait_for_url(&ready, START_LIMIT).await
    }

    /// Starts it again on the same ports, after a kill, without waiting.
    pub fn restart(&mut self) -> Result<()> {
        self.process.restart().map(|_| ())
    }

    /// Asks it to end, and fails when it does not end cleanly.
    pub async fn stop(mut self) -> Result<()> {
        let status = self.process.terminate(STOP_LIMIT).await?;
        if status.success() {
            return Ok(());
        }
        Err(HarnessError::Command {
            command: self.process.name().to_owned(),
            status,
            stderr: self.process.log(),
        })
    }
}

/// `kubectl-kv dev` on a state directory.
#[derive(Debug)]
pub struct Dev {
    /// Its handle, for kills and restarts.
    pub process: Process,
    origin: String,
    regions: Vec<(String, String)>,
    data: PathBuf,
}

impl Dev {
    /// Starts it on the state directory `data` with the manifests `manifests` and an edge per name
    /// of `regions`, and waits for its line `ready`; `flags` come last.
    pub async fn start(
        name: &str,
        data: &Path,
        manifests: &[&Path],
        regions: &[&str],
        flags: &[&str],
    ) -> Result<Dev> {
        let binaries = tokio::task::block_in_place(Binaries::build)?;
        let listen = format!("127.0.0.1:{}", free_port()?);
        let mut program = Program::new(name, binaries.kubectl_kv)
            .args(["dev", "--listen", &listen, "--data"])
            .arg(data.display().to_string());
        for manifest in manifests {
            program = program.arg("-f").arg(manifest.display().to_string());
        }
        let mut urls = Vec::new();
        for region in regions {
            let address = format!("127.0.0.1:{}", free_port()?);
            program = program.args(["--region", &format!("{region}={address}")]);
            urls.push(((*region).to_owned(), format!("http://{address}")));
        }
        let process = program.args(flags.iter().copied()).start()?;
        let mut dev =
            Dev { process, origin: format!("http://{listen}"), regions: urls, data: data.to_path_buf() };
        dev.process.wait_for_line("ready", 0, START_LIMIT).await?;
        Ok(dev)
    }

    /// The base URL of its origin, without a slash at the end.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The base URL of the edge of `region`, where there is one.
    pub fn region(&self, region: &str) -> Option<&str> {
        self.regions.iter().find(|(name, _)| name == region).map(|(_, url)| url.as_str())
    }

    /// A KvNamespace at the edge of `region`, or at the origin where there is no such region.
    pub fn kv(&self, region: &str, account: &str, name: &str) -> Kv {
        let server = self.region(region).unwrap_or(&self.origin);
        Kv::new(format!("{server}/kv/{account}/{name}"))
    }

    /// Its state directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Kills it where it stands and starts it again on the same directory and ports.
    pub async fn restart(&mut self) -> Result<()> {
        let before = self.process.restart()?;
        self.process.wait_for_line("ready", before, START_LIMIT).await
    }
}
