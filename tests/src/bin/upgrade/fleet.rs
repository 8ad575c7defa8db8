//! The servers: two operators and two edges, each pair behind a Service. A replacement is that of a Deployment with
//! `maxSurge: 1`: the new server is ready before the old one is told to end.

use std::sync::Arc;

use nearkv_tests::nearkv::Server;
use nearkv_tests::{ControlPlane, HarnessError, Kv, Result, TestNamespace, eventually};

use crate::service::Service;
use crate::version::Version;

/// Of all operators. The grace is short, so that garbage of every phase is collected in it.
const OPERATOR_FLAGS: [&str; 2] = ["--garbage-grace", "8"];

/// Which operator is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The one that holds the Lease: it folds, checkpoints and collects.
    Leader,
    Follower,
}

/// The servers of one Kubernetes namespace.
pub(crate) struct Fleet {
    pub(crate) control_plane: ControlPlane,
    pub(crate) namespace: TestNamespace,
    pub(crate) operators: Arc<Service>,
    edges: Arc<Service>,
    running_operators: Vec<Server>,
    running_edges: Vec<Server>,
    /// How many servers were started; makes their names.
    started: u32,
    /// Lines of operators' logs at level ERROR.
    errors: Vec<String>,
}

impl Fleet {
    /// All servers of `version`.
    pub(crate) async fn start(control_plane: ControlPlane, version: &Version) -> Result<Fleet> {
        let namespace = control_plane.namespace().await?;
        let (operators, edges) = (Arc::new(Service::start().await?), Arc::new(Service::start().await?));
        let mut fleet = Fleet {
            control_plane,
            namespace,
            operators,
            edges,
            running_operators: Vec::new(),
            running_edges: Vec::new(),
            started: 0,
            errors: Vec::new(),
        };
        for _ in 0..2 {
            fleet.add_operator(version).await?;
        }
        for _ in 0..2 {
            fleet.add_edge(version).await?;
        }
        Ok(fleet)
    }

    /// A KvNamespace, as programs reach it: through each Service, over connections that are kept and over new ones.
    pub(crate) fn paths(&self, name: &str) -> Vec<Kv> {
        let kept = [&self.operators, &self.edges]
            .map(|service| Kv::new(format!("{}/kv/{}/{name}", service.url(), self.namespace.name())));
        let anew = kept.clone().map(Kv::without_keep_alive);
        kept.into_iter().chain(anew).collect()
    }

    /// A KvNamespace at each operator.
    pub(crate) fn at_operators(&self, name: &str) -> Vec<Kv> {
        let kv = |server: &Server| Kv::new(server.kv(self.namespace.name(), name));
        self.running_operators.iter().map(kv).collect()
    }

    /// The operators that run.
    pub(crate) fn running_operators(&self) -> &[Server] {
        &self.running_operators
    }

    /// Replaces an operator.
    pub(crate) async fn replace_operator(&mut self, role: Role, version: &Version) -> Result<()> {
        let leader = self.leader().await?;
        self.add_operator(version).await?;
        let is_replaced = |server: &Server| (server.process.name() == leader) == (role == Role::Leader);
        let index = self.running_operators.iter().position(is_replaced);
        let index = index.ok_or_else(|| HarnessError::Unexpected(format!("{leader} is not running")))?;
        let replaced = self.running_operators.remove(index);
        self.end_operator(replaced).await
    }

    /// Replaces the edge that has run longest.
    pub(crate) async fn replace_edge(&mut self, version: &Version) -> Result<()> {
        self.add_edge(version).await?;
        let replaced = self.running_edges.remove(0);
        end(&self.edges, replaced).await
    }

    /// Ends all servers. Returns the errors in the logs of all operators that ever ran.
    pub(crate) async fn end(mut self) -> Result<Vec<String>> {
        for edge in std::mem::take(&mut self.running_edges) {
            end(&self.edges, edge).await?;
        }
        for operator in std::mem::take(&mut self.running_operators) {
            self.end_operator(operator).await?;
        }
        self.namespace.delete().await?;
        Ok(self.errors)
    }

    async fn end_operator(&mut self, operator: Server) -> Result<()> {
        let log = operator.process.log();
        // kube reports requests that failed at this level too, which the operator repeats.
        let errors = log.lines().filter(|line| line.contains(" ERROR ") && !line.contains("kube_client::"));
        self.errors.extend(errors.map(|line| format!("{}: {line}", operator.process.name())));
        end(&self.operators, operator).await
    }

    /// The name of the operator that holds the Lease. Waits while none of those that run does.
    pub(crate) async fn leader(&self) -> Result<String> {
        eventually("an operator that holds the Lease", async || {
            let lease = ["get", "lease", "nearkv-operator", "-o", "jsonpath={.spec.holderIdentity}"];
            let holder = self.namespace.kubectl(&lease).await.map_err(|error| error.to_string())?;
            let names = self.running_operators.iter().map(|server| server.process.name());
            names.into_iter().find(|name| holder.starts_with(*name)).map(str::to_owned).ok_or(holder)
        })
        .await
    }

    /// Whether an operator of `version` holds the Lease.
    ///
    /// # Errors
    /// Another one does: the phase has shown something else than it was to show.
    pub(crate) async fn is_led_by(&self, version: &Version) -> Result<()> {
        let leader = self.leader().await?;
        if leader.ends_with(&format!("-{}", version.label)) {
            return Ok(());
        }
        Err(HarnessError::Unexpected(format!("{leader} leads, not an operator of {}", version.label)))
    }

    async fn add_operator(&mut self, version: &Version) -> Result<()> {
        let name = self.next_name("operator", version);
        let flags: Vec<&str> =
            OPERATOR_FLAGS.into_iter().chain(version.operator_flags.iter().map(String::as_str)).collect();
        let executable = version.operator.clone();
        let namespace = self.namespace.name();
        let server = Server::operator_of(executable, &name, &self.control_plane, namespace, &flags).await?;
        self.operators.add(&server).await;
        self.running_operators.push(server);
        Ok(())
    }

    async fn add_edge(&mut self, version: &Version) -> Result<()> {
        let name = self.next_name("edge", version);
        let origin = self.operators.url();
        let server = Server::edge_of(version.edge.clone(), &name, origin, "london", &[]).await?;
        self.edges.add(&server).await;
        self.running_edges.push(server);
        Ok(())
    }

    fn next_name(&mut self, kind: &str, version: &Version) -> String {
        self.started += 1;
        format!("{kind}-{}-{}", self.started, version.label)
    }
}

/// SIGTERM; the Service hears of it by the server's readiness.
async fn end(service: &Service, server: Server) -> Result<()> {
    let name = server.process.name().to_owned();
    server.stop().await?;
    service.remove(&name).await;
    Ok(())
}
