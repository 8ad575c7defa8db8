//! The client as [`Namespaces`]: the REST face of the server, read back from its envelopes.

use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, Method, StatusCode};
use reqwest::Response;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{Client, bodies::value_of, credentials::Purpose, failures::Operation, requests};
use crate::{
    Error, Namespace, NamespaceId, NamespaceInfo, Namespaces, Reason,
    http::{names, paths::encode},
};

/// KvNamespaces on a page: as many as a server gives (contract §3.3).
const PER_PAGE: usize = 1000;
/// How long a change may take: a KvNamespace is loaded before its creation is answered.
const CHANGE_PATIENCE: Duration = Duration::from_secs(60);

/// An answer of the REST face.
#[derive(Deserialize)]
struct Envelope<T> {
    result: T,
}

/// A refusal of the REST face.
#[derive(Deserialize)]
struct Refusal {
    errors: Vec<Item>,
    /// What stands beside the contract's words for a refusal at the door.
    messages: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    message: String,
}

/// A namespace as a nearkv server shows it: with the KvNamespace's name, which the id does not tell.
#[derive(Deserialize)]
struct Shown {
    id: String,
    name: String,
    title: String,
}

#[derive(Deserialize)]
struct Account {
    id: String,
}

impl Shown {
    fn info(self, account: &str) -> Result<NamespaceInfo, Error> {
        let Self { id, name, title } = self;
        let namespace = Namespace::new(account, &name)?;
        if namespace.id().to_string() != id {
            return Err(Operation::Get.foreign());
        }
        Ok(NamespaceInfo { namespace, title })
    }
}

impl Client {
    async fn manage<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<T, Error> {
        let (operation, patience) = match method {
            Method::GET => (Operation::Get, self.read_timeout),
            _ => (Operation::Put, self.read_timeout.max(CHANGE_PATIENCE)),
        };
        let mut headers = HeaderMap::new();
        requests::trace(&mut headers);
        let url = format!("{}/client/v4{path}", self.base);
        let mut request = self.http.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.header(http::header::CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let request = self.authorize(Purpose::WriteOrManage, request)?;
        let response = match tokio::time::timeout(patience, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(operation.transport(error)),
            Err(_) => return Err(operation.timed_out()),
        };
        if response.status() != StatusCode::OK {
            return Err(self.refusal(operation, response).await);
        }
        let body = value_of(response, self.read_timeout).into_bytes().await?;
        let envelope: Envelope<T> =
            serde_json::from_slice(&body).map_err(|error| operation.foreign().with_source(error))?;
        Ok(envelope.result)
    }

    /// The error that an envelope stands for. Its text stands in quotes behind the name of the operation.
    async fn refusal(&self, operation: Operation, response: Response) -> Error {
        let header = response.headers().get(&names::NEARKV_REASON).and_then(|word| word.to_str().ok());
        let Some(reason) = header.and_then(Reason::parse) else { return operation.foreign() };
        let body = value_of(response, self.read_timeout).into_bytes().await.unwrap_or_default();
        let refusal: Option<Refusal> = serde_json::from_slice(&body).ok();
        let message = refusal
            .and_then(|Refusal { errors, messages }| messages.into_iter().chain(errors).next())
            .map(|item| item.message);
        let message = message.unwrap_or_default();
        let text = message.split_once(": '").and_then(|(_, text)| text.strip_suffix('\''));
        Error::new(reason, text.unwrap_or(&message))
    }
}

fn base(account: &str) -> String {
    format!("/accounts/{}/storage/kv/namespaces", encode(account))
}

#[async_trait]
impl Namespaces for Client {
    async fn accounts(&self) -> Result<Vec<String>, Error> {
        let accounts: Vec<Account> = self.manage(Method::GET, "/accounts", None).await?;
        Ok(accounts.into_iter().map(|account| account.id).collect())
    }

    async fn list(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error> {
        let mut all = Vec::new();
        for page in 1.. {
            let path = format!("{}?page={page}&per_page={PER_PAGE}&order=id", base(account));
            let shown: Vec<Shown> = self.manage(Method::GET, &path, None).await?;
            let last = shown.len() < PER_PAGE;
            for one in shown {
                all.push(one.info(account)?);
            }
            if last {
                break;
            }
        }
        all.sort_by(|a: &NamespaceInfo, b| a.namespace.cmp(&b.namespace));
        Ok(all)
    }

    async fn find(&self, account: &str, id: NamespaceId) -> Result<Option<NamespaceInfo>, Error> {
        match self.manage::<Shown>(Method::GET, &format!("{}/{id}", base(account)), None).await {
            Ok(shown) => shown.info(account).map(Some),
            Err(error) if error.reason() == Reason::NamespaceUnknown => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, account: &str, title: &str) -> Result<NamespaceInfo, Error> {
        let body = json!({ "title": title });
        self.manage::<Shown>(Method::POST, &base(account), Some(body)).await?.info(account)
    }

    async fn rename(&self, account: &str, id: NamespaceId, title: &str) -> Result<NamespaceInfo, Error> {
        let (path, body) = (format!("{}/{id}", base(account)), json!({ "title": title }));
        self.manage::<Shown>(Method::PUT, &path, Some(body)).await?.info(account)
    }

    async fn delete(&self, account: &str, id: NamespaceId) -> Result<(), Error> {
        self.manage::<Option<serde_json::Value>>(Method::DELETE, &format!("{}/{id}", base(account)), None)
            .await
            .map(drop)
    }
}
