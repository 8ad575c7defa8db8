//! A Service without a node: one address, and behind it the servers that are ready. As with kube-proxy a connection keeps
//! its server until one of both closes it, and a new connection goes to a server that is ready.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use nearkv_tests::nearkv::Server;
use nearkv_tests::{HarnessError, Result};
use rand::seq::SliceRandom;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// How often the readiness of servers is looked at: many times within the second for which a server that was told to end
/// goes on serving.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// A server behind a Service.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// `host:port` of its data listener.
    address: String,
    /// The base URL of its admin listener.
    pub(crate) admin: String,
    is_ready: bool,
}

type Members = Arc<Mutex<Vec<Member>>>;

/// A Service. Its tasks end when it is dropped.
pub(crate) struct Service {
    url: String,
    members: Members,
    _tasks: JoinSet<()>,
}

impl Service {
    /// One without servers.
    pub(crate) async fn start() -> Result<Service> {
        let failed =
            |source| HarnessError::Io { action: "listen on", object: "127.0.0.1".to_owned(), source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let members = Members::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(listener, Arc::clone(&members)));
        tasks.spawn(probe(Arc::clone(&members)));
        Ok(Service { url, members, _tasks: tasks })
    }

    /// Its URL, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Adds a server that is ready.
    pub(crate) async fn add(&self, server: &Server) {
        let address = server.url().trim_start_matches("http://").to_owned();
        let (name, admin) = (server.process.name().to_owned(), server.admin().to_owned());
        self.members.lock().await.push(Member { name, address, admin, is_ready: true });
    }

    /// Removes a server that has ended.
    pub(crate) async fn remove(&self, name: &str) {
        self.members.lock().await.retain(|member| member.name != name);
    }

    /// The servers behind it, also those that are not ready.
    pub(crate) async fn members(&self) -> Vec<Member> {
        self.members.lock().await.clone()
    }
}

async fn probe(members: Members) {
    let client = nearkv_tests::http::client();
    loop {
        let probed = members.lock().await.clone();
        for member in probed {
            let answer = client.get(format!("{}/readyz", member.admin)).send().await;
            let is_ready = answer.is_ok_and(|answer| answer.status().is_success());
            let mut members = members.lock().await;
            if let Some(found) = members.iter_mut().find(|found| found.name == member.name) {
                found.is_ready = is_ready;
            }
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

async fn forward(listener: TcpListener, members: Members) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        connections.spawn(connect(client, Arc::clone(&members)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, to whichever ready server takes it. If none does, the client's connection is closed.
async fn connect(mut client: TcpStream, members: Members) {
    let mut ready: Vec<String> =
        members.lock().await.iter().filter(|member| member.is_ready).map(|m| m.address.clone()).collect();
    ready.shuffle(&mut rand::rng());
    for address in ready {
        if let Ok(mut server) = TcpStream::connect(&address).await {
            // An error is the end of the connection, which each side sees by itself.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
