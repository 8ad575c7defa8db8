//! A real Kubernetes control plane: etcd, kube-apiserver, kube-controller-manager, on free loopback
//! ports, with no container and no node. Ready about three seconds after its start.
//!
//! `NEARKV_TEST_KUBECONFIG` names another cluster to run the same tests against; then nothing is
//! started here.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nearkv_test_assets::Assets;
use tokio::sync::OnceCell;

use crate::error::{HarnessError, Result};
use crate::folders::new_folder;
use crate::kubeconfig::{Kubeconfig, client_of};
use crate::kubectl::Kubectl;
use crate::namespace::TestNamespace;
use crate::ports::free_port;
use crate::process::{Process, Program};
use crate::service_account_key::ServiceAccountKey;

/// The environment variable that names the kubeconfig of a cluster to be used instead.
pub const CLUSTER_VARIABLE: &str = "NEARKV_TEST_KUBECONFIG";

/// For one component to become ready: three seconds on an idle machine, many times that on one that
/// compiles at the same time.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How a control plane is started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether etcd syncs every commit to disk: for benchmarks, and for what is claimed of crashes.
    /// Without it tests are faster, and only a crash of the machine could tell.
    pub fsync: bool,
}

/// A control plane, ended when this is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    kubectl: Kubectl,
    kubeconfig: PathBuf,
    /// etcd's folder, whose size benchmarks report; none for a cluster that was not started here.
    etcd_data: Option<PathBuf>,
    /// In the order in which they are ended: those that depend on another before it.
    processes: Vec<Process>,
}

impl ControlPlane {
    /// The control plane that all tests of this test binary share, started on first use without
    /// fsync. It ends with the process; each test has a [`TestNamespace`] of its own in it.
    pub async fn shared() -> Result<&'static ControlPlane> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED.get_or_try_init(|| ControlPlane::start(Options::default())).await
    }

    /// Starts one, or takes the cluster of [`CLUSTER_VARIABLE`], and waits until it is ready.
    pub async fn start(options: Options) -> Result<ControlPlane> {
        crate::http::install_crypto();
        let assets = tokio::task::block_in_place(Assets::find)?;
        let folder = new_folder("control-plane")?;
        if let Some(kubeconfig) = std::env::var_os(CLUSTER_VARIABLE) {
            let kubeconfig = PathBuf::from(kubeconfig);
            let kubectl = Kubectl::new(assets.path("kubectl"), &kubeconfig, &folder);
            return Ok(ControlPlane { kubectl, kubeconfig, etcd_data: None, processes: Vec::new() });
        }
        Starting { assets, folder, options }.start().await
    }

    /// The kubeconfig of a cluster administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A new client of an administrator. One per test: its connections belong to the test's runtime.
    pub async fn client(&self) -> Result<kube::Client> {
        client_of(&self.kubeconfig).await
    }

    /// kubectl, as an administrator.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// A new Kubernetes namespace, for one test.
    pub async fn namespace(&self) -> Result<TestNamespace> {
        TestNamespace::create(self).await
    }

    /// Whether this is a cluster that was there before the test and stays after it.
    pub fn is_given(&self) -> bool {
        self.processes.is_empty()
    }

    /// The process ids of its components; empty for a cluster that was not started here.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes.iter().map(Process::id).collect()
    }

    /// The folder with etcd's data; none for a cluster that was not started here.
    pub fn etcd_data(&self) -> Option<&Path> {
        self.etcd_data.as_deref()
    }
}

/// A control plane on its way up: `folder` takes its files, and its name its components' logs.
struct Starting {
    assets: Assets,
    folder: PathBuf,
    options: Options,
}

impl Starting {
    async fn start(self) -> Result<ControlPlane> {
        let etcd_data = self.folder.join("etcd");
        let (etcd, etcd_url) = self.etcd(&etcd_data).await?;
        let key = ServiceAccountKey::create(&self.folder)?;
        let (api_server, kubeconfig) = self.api_server(&etcd_url, &key).await?;
        let controller_manager = self.controller_manager(&kubeconfig, &key)?;
        Ok(ControlPlane {
            kubectl: Kubectl::new(self.assets.path("kubectl"), kubeconfig.path(), &self.folder),
            kubeconfig: kubeconfig.path().to_path_buf(),
            etcd_data: Some(etcd_data),
            processes: vec![controller_manager, api_server, etcd],
        })
    }

    async fn etcd(&self, data: &Path) -> Result<(Process, String)> {
        let url = format!("http://127.0.0.1:{}", free_port()?);
        let mut program = self
            .program("etcd")
            .arg(format!("--data-dir={}", data.display()))
            .arg(format!("--listen-client-urls={url}"))
            .arg(format!("--advertise-client-urls={url}"))
            .arg("--listen-peer-urls=http://127.0.0.1:0");
        if !self.options.fsync {
            program = program.arg("--unsafe-no-fsync");
        }
        let mut etcd = program.start()?;
        etcd.wait_for_url(&format!("{url}/readyz"), START_LIMIT).await?;
        Ok((etcd, url))
    }

    async fn api_server(&self, etcd_url: &str, key: &ServiceAccountKey) -> Result<(Process, Kubeconfig)> {
        let port = free_port()?;
        let certificates = self.folder.join("certificates");
        let kubeconfig = Kubeconfig::new(self.folder.join("kubeconfig"), (Ipv4Addr::LOCALHOST, port).into());
        let tokens = self.folder.join("tokens.csv");
        std::fs::write(&tokens, kubeconfig.token_file()).map_err(HarnessError::io("write", &tokens))?;
        let mut api_server = self
            .program("kube-apiserver")
            .arg(format!("--etcd-servers={etcd_url}"))
            .arg(format!("--cert-dir={}", certificates.display()))
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={port}"))
            .arg("--authorization-mode=RBAC")
            .arg(format!("--token-auth-file={}", tokens.display()))
            .arg(format!("--service-account-issuer=https://127.0.0.1:{port}/"))
            .arg(format!("--service-account-key-file={}", key.public.display()))
            .arg(format!("--service-account-signing-key-file={}", key.private.display()))
            .arg("--service-cluster-ip-range=10.0.0.0/24")
            .arg("--allow-privileged=true")
            // There is no node, so no pod needs a token; without it namespaces are usable at once.
            .arg("--disable-admission-plugins=ServiceAccount")
            .arg("--endpoint-reconciler-type=none")
            .start()?;
        let certificate = certificates.join("apiserver.crt");
        api_server.wait_until("certificate", START_LIMIT, async || certificate.is_file()).await?;
        kubeconfig.write(&certificate)?;
        let path = kubeconfig.path().to_path_buf();
        api_server
            .wait_until("answer of /readyz", START_LIMIT, async || answers(&path, "/readyz").await)
            .await?;
        Ok((api_server, kubeconfig))
    }

    fn controller_manager(&self, kubeconfig: &Kubeconfig, key: &ServiceAccountKey) -> Result<Process> {
        // Not waited for: what it does (garbage collection, deletion of namespaces) is always
        // waited for by its effect.
        self.program("kube-controller-manager")
            .arg(format!("--kubeconfig={}", kubeconfig.path().display()))
            .arg(format!("--root-ca-file={}", self.folder.join("certificates/apiserver.crt").display()))
            .arg(format!("--service-account-private-key-file={}", key.private.display()))
            .arg("--leader-elect=false")
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--secure-port={}", free_port()?))
            .arg(format!("--cert-dir={}", self.folder.join("controller-manager").display()))
            .start()
    }

    fn program(&self, binary: &str) -> Program {
        let folder = self.folder.file_name().unwrap_or_default().to_string_lossy();
        Program::new(format!("{folder}.{binary}"), self.assets.path(binary))
    }
}

/// Whether the API server answers a GET of `path` with success.
async fn answers(kubeconfig: &Path, path: &str) -> bool {
    let Ok(client) = client_of(kubeconfig).await else { return false };
    let Ok(request) = http::Request::get(path).body(Vec::new()) else { return false };
    client.request_text(request).await.is_ok()
}
