//! A real Kubernetes cluster of one node, whose pods run: kubelet, containerd, kube-proxy, DNS, in namespaces of their
//! own (`tests/node`). Ready some seconds after its start; needs root on Linux, and says so where it is not given.
//!
//! What a test does with the cluster it does in [`Cluster::enter`], where its sockets and its child processes are in the
//! node's network: kubectl, helm and HTTP reach Services as a program on the node would.

mod images;
mod network;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nearkv_test_assets::{Assets, NODE};

use crate::error::{HarnessError, Result};
use crate::folders::{create_folder, new_folder};
use crate::kubeconfig::{Kubeconfig, client_of};
use crate::kubectl::Kubectl;
use crate::process::{POLL, Process, Program};
use crate::service_account_key::ServiceAccountKey;
use crate::tool::Tool;

pub use images::{IMAGES_VARIABLE, Images};

/// The address of the API server in the node's own network; `tests/node/boot.sh` says it too.
pub const API_SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1)), 6443);

/// Where the node has the folder of its run; `tests/node/boot.sh` says it too.
const RUN: &str = "/run/node";

/// For the node to become Ready: ten seconds on an idle machine, many times that on one that compiles.
const START_LIMIT: Duration = Duration::from_secs(180);

/// How often a control group is tried to be removed, with a pause of [`POLL`]: its processes are killed, but not gone yet.
const REMOVALS: u32 = 100;

/// A cluster, ended with all that runs in it when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    process: Process,
    folder: PathBuf,
    kubectl: Kubectl,
    helm: Tool,
}

impl Cluster {
    /// Starts one into which the images of `images` are imported, and waits until its node is Ready. Blocks.
    ///
    /// # Errors
    /// Where the machine cannot carry a node: the text says what it lacks.
    pub fn start(images: &Images) -> Result<Cluster> {
        crate::http::install_crypto();
        let (control_plane, node) = (Assets::find()?, Assets::of(&NODE)?);
        let folder = new_folder("node")?;
        images.put_into(&folder.join("images"), &node)?;
        ServiceAccountKey::create(&folder)?;
        let kubeconfig = Kubeconfig::new(folder.join("kubeconfig"), API_SERVER);
        let tokens = folder.join("tokens.csv");
        std::fs::write(&tokens, kubeconfig.token_file()).map_err(HarnessError::io("write", &tokens))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut process = Program::new(name, "sh")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/node/start.sh"))
            .args([&folder, node.folder(), control_plane.folder()].map(|path| path.display().to_string()))
            .start()?;
        let ready = folder.join("ready");
        network::runtime(None)?.block_on(process.wait_until(
            "node that is Ready",
            START_LIMIT,
            async || ready.is_file(),
        ))?;
        kubeconfig.write(&folder.join("pki/apiserver.crt"))?;
        let tools = folder.join("tools");
        create_folder(&tools)?;
        let tools = tools.display().to_string();
        Ok(Cluster {
            kubectl: Kubectl::new(control_plane.path("kubectl"), kubeconfig.path(), &folder),
            helm: Tool::new(node.path("helm"))
                .env("KUBECONFIG", kubeconfig.path().display().to_string())
                .env("HELM_CACHE_HOME", &tools)
                .env("HELM_CONFIG_HOME", &tools)
                .env("HELM_DATA_HOME", &tools),
            process,
            folder,
        })
    }

    /// Runs `work` in the node's network, and gives what it gives.
    ///
    /// # Panics
    /// As `work` does.
    pub fn enter<T: Send>(&self, work: impl AsyncFnOnce() -> T + Send) -> Result<T> {
        network::enter(self.process.id(), work)
    }

    /// Runs `work` in the network of a pod, of which a container runs, as that pod would; by the pod's UID.
    ///
    /// # Errors
    /// Where no process of such a pod runs.
    ///
    /// # Panics
    /// As `work` does.
    pub fn enter_pod<T: Send>(&self, uid: &str, work: impl AsyncFnOnce() -> T + Send) -> Result<T> {
        network::enter(process_of_pod(uid)?, work)
    }

    /// kubectl, as an administrator; only for work that has entered.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// helm, as an administrator; only for work that has entered.
    pub fn helm(&self) -> &Tool {
        &self.helm
    }

    /// A client of an administrator; only for work that has entered.
    pub async fn client(&self) -> Result<kube::Client> {
        client_of(&self.kubeconfig()).await
    }

    /// The kubeconfig of an administrator; only for programs that work starts which has entered.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A new folder that pods can share as a volume: where the node has it.
    pub fn shared_folder(&self, name: &str) -> Result<String> {
        create_folder(&self.folder.join(name))?;
        Ok(format!("{RUN}/{name}"))
    }

    /// Where the parts of the node log to, `NAME.log` each.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }
}

impl Drop for Cluster {
    /// Ends the node, and removes its control groups once their processes are gone: they are the machine's, not in any
    /// folder. What is left of a test that was killed is removed by the next start.
    fn drop(&mut self) {
        if let Err(error) = self.process.kill() {
            eprintln!("{error:?}");
        }
        let groups = std::fs::read_to_string(self.folder.join("cgroups")).unwrap_or_default();
        for group in groups.lines() {
            for _ in 0..REMOVALS {
                if remove_folders(Path::new(group)).is_ok() {
                    break;
                }
                std::thread::sleep(POLL);
            }
        }
    }
}

/// Any process of a pod: the kubelet puts them into a control group `…/pod<UID>/<container>`.
fn process_of_pod(uid: &str) -> Result<u32> {
    let group = format!("/pod{uid}/");
    let processes = std::fs::read_dir("/proc").map_err(HarnessError::io("read", "/proc".as_ref()))?;
    processes
        .flatten()
        .filter(|process| {
            std::fs::read_to_string(process.path().join("cgroup")).is_ok_and(|groups| groups.contains(&group))
        })
        .find_map(|process| process.file_name().to_str()?.parse().ok())
        .ok_or_else(|| HarnessError::Unexpected(format!("no process of the pod {uid} runs")))
}

/// Removes a control group with those below it: the folders, since what is in them is the kernel's.
fn remove_folders(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_folders(&path)?;
        }
    }
    std::fs::remove_dir(folder)
}

/// helm from the binaries of a node, for what needs no cluster.
pub fn helm() -> Result<Tool> {
    Ok(Tool::new(Assets::of(&NODE)?.path("helm")))
}

/// The chart.
pub fn chart() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/nearkv"))
}
