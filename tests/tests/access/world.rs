//! An operator, an edge and an edge in front of it, all with `--auth=on` and logs at trace level; a KvNamespace; and
//! ServiceAccounts for it.

use std::path::PathBuf;

use nearkv_tests::folders::new_folder;
use nearkv_tests::install::install_rbac;
use nearkv_tests::kv::{Answer, Kv};
use nearkv_tests::nearkv::Server;
use nearkv_tests::{Scenario, eventually};

/// Remembered for so short a time that a test can wait for it.
const FLAGS: [&str; 4] = ["--auth=on", "--auth-allowed-seconds=2", "--auth-refused-seconds=1", "--log=trace"];

pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) edge: Server,
    /// In front of `edge`.
    pub(crate) tier: Server,
    /// Every token that was ever shown.
    tokens: Vec<String>,
}

impl World {
    pub(crate) async fn start(stale_if_error: &str) -> World {
        let flags = [&FLAGS[..], &["--service-url=http://nearkv.nearkv-system.svc"]].concat();
        let scenario = Scenario::start(&flags).await.unwrap();
        let account = scenario.namespace.name().to_owned();
        // Roles of the whole cluster are the same for all tests; those of the operator itself are not used here.
        install_rbac(scenario.control_plane).await.unwrap();
        let mut tokens = Vec::new();
        let edge_token = service_account(&scenario, "edge").await;
        let subject = format!("--serviceaccount={account}:edge");
        let name = format!("edge-of-{account}");
        let bind = ["create", "clusterrolebinding", &name, "--clusterrole=nearkv-edge", &subject];
        scenario.control_plane.kubectl().run(&bind).await.unwrap();
        let file = token_file(&edge_token);
        let flag = format!("--origin-token-file={}", file.display());
        let stale = format!("--auth-stale-if-error-seconds={stale_if_error}");
        let flags = ["--auth=on", "--log=trace", &flag, &stale];
        let edge = Server::edge(&format!("{account}.edge"), scenario.operator.url(), "london", &flags).await;
        let edge = edge.unwrap();
        let tier = Server::edge(&format!("{account}.tier"), edge.url(), "paris", &flags).await.unwrap();
        tokens.push(edge_token);
        scenario.apply_ready("{binding: {}, entries: [{key: a, value: one}]}").await.unwrap();
        World { scenario, edge, tier, tokens }
    }

    /// A token of a new ServiceAccount, with a role in the account if one is named.
    pub(crate) async fn account(&mut self, name: &str, role: Option<&str>) -> String {
        let token = service_account(&self.scenario, name).await;
        if let Some(role) = role {
            let subject = format!("--serviceaccount={}:{name}", self.scenario.namespace.name());
            let role = format!("--clusterrole={role}");
            self.scenario.namespace.kubectl(&["create", "rolebinding", name, &role, &subject]).await.unwrap();
        }
        self.know(token)
    }

    /// A token that must never be in a log.
    pub(crate) fn know(&mut self, token: String) -> String {
        self.tokens.push(token.clone());
        token
    }

    pub(crate) fn servers(&self) -> [&Server; 3] {
        [&self.scenario.operator, &self.edge, &self.tier]
    }

    pub(crate) fn settings(&self, server: &Server) -> Kv {
        self.scenario.settings(server)
    }

    /// A path below the account's namespaces in REST, as a base whose keys are the rest of a path.
    pub(crate) fn rest(&self, server: &Server) -> Kv {
        let account = self.scenario.namespace.name();
        Kv::new(format!("{}/client/v4/accounts/{account}/storage/kv", server.url()))
    }

    /// Ends it, and looks for tokens in all logs.
    pub(crate) async fn end(self) {
        let World { scenario, edge, tier, tokens } = self;
        for log in [scenario.operator.process.log(), edge.process.log(), tier.process.log()] {
            assert!(log.contains("TRACE") || log.contains("DEBUG"), "the log is not at trace level");
            for token in &tokens {
                // The signature of a JWT, the random part of a binding token: what makes it a secret.
                let secret = token.rsplit('.').next().unwrap();
                assert!(!log.contains(secret), "a token is in a log");
            }
        }
        tier.stop().await.unwrap();
        edge.stop().await.unwrap();
        scenario.end().await.unwrap();
    }
}

async fn service_account(scenario: &Scenario, name: &str) -> String {
    scenario.namespace.kubectl(&["create", "serviceaccount", name]).await.unwrap();
    let create = ["create", "token", name, "--audience=nearkv"];
    scenario.namespace.kubectl(&create).await.unwrap().trim().to_owned()
}

fn token_file(token: &str) -> PathBuf {
    let path = new_folder("token").unwrap().join("token");
    std::fs::write(&path, token).unwrap();
    path
}

/// Waits for a status.
pub(crate) async fn until_status(
    awaited: &str,
    status: u16,
    ask: impl AsyncFn() -> nearkv_tests::Result<Answer>,
) {
    eventually(awaited, async || {
        let answer = ask().await.map_err(|error| error.to_string())?;
        if answer.status == status { Ok(()) } else { Err(format!("{} {}", answer.status, answer.body)) }
    })
    .await
    .unwrap();
}
