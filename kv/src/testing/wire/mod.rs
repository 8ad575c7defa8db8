//! The binding face as bytes on a socket: request lines of the contract as workerd sends them, and what a
//! server must answer, down to the reason phrase. For every server, origin and edge.

mod bulk;
mod lists;
mod reads;
mod rest;
mod routes;
mod socket;
mod writes;

use std::{net::SocketAddr, sync::Arc};

pub use rest::{RestCase, rest_cases, run_rest};

use super::{
    Harness,
    case::{self, Failure, Outcome, equal, holds, verdict},
};
use crate::Namespace;
use socket::{Answered, Connection};

/// One thing that every server does.
pub type Case = case::Case<Scene>;

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    [routes::cases(), reads::cases(), writes::cases(), lists::cases(), bulk::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Runs all cases against the server at `address`, which serves the harness's KvNamespaces.
///
/// # Errors
/// Every failed case, a line each: its name and form, what was expected and what came.
pub async fn run_all(address: SocketAddr, harness: &Arc<dyn Harness>) -> Result<(), String> {
    let mut failed = Vec::new();
    for case in cases() {
        for form in [Form::Path, Form::Header] {
            let scene = Scene { address, form, namespace: harness.fresh().await };
            case.play(scene, &format!(" ({form:?} form)"), &mut failed).await;
        }
    }
    verdict(&failed)
}

/// How a request names its KvNamespace (design §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `/kv/{account}/{name}` before the path.
    Path,
    /// `Nearkv-Namespace: {account}/{name}`, as workerd injects it.
    Header,
}

/// What a case works on. Targets are those of workerd: `/<key>?…`, and `/?…` for the list.
pub struct Scene {
    address: SocketAddr,
    form: Form,
    namespace: Namespace,
}

impl Scene {
    /// One request on a connection of its own. `head` is the request line without the version, then header lines.
    async fn send(&self, head: &str, body: &[u8]) -> Result<Answered, Failure> {
        let mut connection = Connection::open(self.address).await?;
        self.send_on(&mut connection, head, body).await
    }

    async fn send_on(
        &self,
        connection: &mut Connection,
        head: &str,
        body: &[u8],
    ) -> Result<Answered, Failure> {
        connection.write(self.head(head, Some(body.len()))).await?;
        connection.write(body).await?;
        connection.read(head.starts_with("HEAD ")).await
    }

    /// The bytes of a request's head. `length` is announced where the request has a body or may have one.
    fn head(&self, head: &str, length: Option<usize>) -> Vec<u8> {
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default();
        let (method, target) = line.split_once(' ').unwrap_or((line, "/"));
        let mut text = match self.form {
            Form::Path => format!("{method} /kv/{}{target} HTTP/1.1\r\n", self.namespace),
            Form::Header => {
                format!("{method} {target} HTTP/1.1\r\nNearkv-Namespace: {}\r\n", self.namespace)
            }
        };
        text.push_str("Host: fake-host\r\n");
        if let Some(length) = length.filter(|length| *length > 0 || !matches!(method, "GET" | "HEAD")) {
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        for line in lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.push_str(&format!("CF-KV-FLPROD-405: https://fake-host{target}\r\n\r\n"));
        text.into_bytes()
    }

    /// A PUT that must succeed.
    async fn put(&self, target: &str, headers: &str, value: &[u8]) -> Result<Answered, Failure> {
        let answer = self.send(&format!("PUT {target}\n{headers}"), value).await?;
        equal(&format!("status of PUT {target}"), answer.status, 200)?;
        Ok(answer)
    }

    /// A request that must be refused with this text, as body and as reason phrase.
    async fn refused(&self, head: &str, body: &[u8], status: u16, text: &str) -> Outcome {
        let answer = self.send(head, body).await?;
        answer.is_refusal(head, status, text)
    }
}

impl Answered {
    fn is_refusal(&self, what: &str, status: u16, text: &str) -> Outcome {
        let got = (self.status, self.phrase.as_str(), self.text());
        equal(what, got, (status, text, text.to_owned()))?;
        holds(&format!("{what}: Nearkv-Reason says why"), self.header("nearkv-reason").is_some())
    }
}
