//! The REST face as bytes on a socket (contract §3): for every server that manages namespaces.

mod bulk;
mod managing;
mod refusals;
mod values;

use std::{net::SocketAddr, sync::Arc};

use serde_json::Value;

use super::{Answered, Connection, Failure, Outcome, equal, holds, verdict};
use crate::{
    Namespace,
    testing::{Case, Harness},
};

/// One thing that every server does over REST.
pub type RestCase = Case<Rest>;

/// All cases.
#[must_use]
pub fn rest_cases() -> Vec<RestCase> {
    [managing::cases(), values::cases(), bulk::cases(), refusals::cases()].into_iter().flatten().collect()
}

/// Runs all cases against the server at `address`, which serves and manages the harness's KvNamespaces.
///
/// # Errors
/// Every failed case, a line each: its name, what was expected and what came.
pub async fn run_rest(address: SocketAddr, harness: &Arc<dyn Harness>) -> Result<(), String> {
    let mut failed = Vec::new();
    for case in rest_cases() {
        let rest = Rest { address, namespace: harness.fresh().await, harness: Arc::clone(harness) };
        case.play(rest, " (REST)", &mut failed).await;
    }
    verdict(&failed)
}

/// What a case works on.
pub struct Rest {
    address: SocketAddr,
    namespace: Namespace,
    harness: Arc<dyn Harness>,
}

impl Rest {
    /// Where the namespaces of the account are.
    fn account(&self) -> String {
        format!("/client/v4/accounts/{}/storage/kv/namespaces", self.namespace.account())
    }

    /// A target below the case's own namespace.
    fn at(&self, rest: &str) -> String {
        format!("{}/{}{rest}", self.account(), self.namespace.id())
    }

    /// One request on a connection of its own. `head` is method and target, then header lines.
    async fn send(&self, head: &str, body: &[u8]) -> Result<Answered, Failure> {
        let mut connection = Connection::open(self.address).await?;
        connection.write(Self::head(head, Some(body.len()))).await?;
        connection.write(body).await?;
        connection.read(head.starts_with("HEAD ")).await
    }

    fn head(head: &str, length: Option<usize>) -> Vec<u8> {
        let mut lines = head.lines();
        let mut text = format!("{} HTTP/1.1\r\nHost: h\r\n", lines.next().unwrap_or_default());
        if let Some(length) = length {
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        for line in lines {
            text.push_str(&format!("{line}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// What an envelope says that must be a success.
    async fn ok(&self, head: &str, body: &[u8]) -> Result<Value, Failure> {
        let answer = self.send(head, body).await?;
        let envelope = envelope(&answer)?;
        equal(head, (answer.status, &envelope["success"]), (200, &Value::Bool(true)))?;
        equal(
            "errors and messages",
            (&envelope["errors"], &envelope["messages"]),
            (&Value::from([0; 0]), &Value::from([0; 0])),
        )?;
        Ok(envelope)
    }

    /// A request that must be refused with this status and code; the text is the envelope's.
    async fn refused(&self, head: &str, body: &[u8], status: u16, code: u64) -> Result<String, Failure> {
        let answer = self.send(head, body).await?;
        let envelope = envelope(&answer)?;
        let error = &envelope["errors"][0];
        equal(head, (answer.status, error["code"].as_u64()), (status, Some(code)))?;
        equal(
            "success and result",
            (&envelope["success"], &envelope["result"]),
            (&Value::Bool(false), &Value::Null),
        )?;
        holds("Nearkv-Reason says why", answer.header("nearkv-reason").is_some())?;
        Ok(error["message"].as_str().unwrap_or_default().to_owned())
    }

    /// The value of a key; `None` where there is none.
    async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let answer = self.send(&format!("GET {}", self.at(&format!("/values/{key}"))), b"").await?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            other => Err(Failure(format!("GET of {key:?}: {other} {}", answer.text()))),
        }
    }
}

fn envelope(answer: &Answered) -> Result<Value, Failure> {
    let json = answer.header("content-type");
    equal("content-type", json.as_deref(), Some("application/json"))?;
    serde_json::from_slice(&answer.body).map_err(|error| Failure(format!("{error}: {}", answer.text())))
}
