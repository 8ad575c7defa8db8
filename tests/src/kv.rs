//! A plain client of the binding face, as `curl` would be one. The tests do not use nearkv's own
//! client: a mistake made on both sides would not be seen.

use nearkv::Version;
use nearkv::http::mutations::MEDIA_TYPE;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap};
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::error::{HarnessError, Result};

/// One KvNamespace at one server.
#[derive(Debug, Clone)]
pub struct Kv {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; what is not UTF-8 is replaced.
    pub body: String,
}

impl Kv {
    /// `base` is the URL of the KvNamespace, as from [`crate::nearkv::Server::kv`].
    pub fn new(base: impl Into<String>) -> Kv {
        Kv { client: crate::http::client(), base: base.into(), token: None }
    }

    /// The same, with a bearer token.
    pub fn bearing(&self, token: &str) -> Kv {
        Kv { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same, without a token.
    pub fn without_token(&self) -> Kv {
        Kv { token: None, ..self.clone() }
    }

    /// The same, but with a new connection for each request.
    pub fn without_keep_alive(self) -> Kv {
        Kv { client: crate::http::client_without_keep_alive(), ..self }
    }

    /// GET of a key, which must not need percent-encoding.
    ///
    /// # Errors
    /// When there is no answer; every status is an answer. So with all methods here.
    pub async fn get(&self, key: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, key)).await
    }

    /// GET of a key in a state at least as new as `version`.
    pub async fn get_since(&self, key: &str, version: Version) -> Result<Answer> {
        self.send(self.request(Method::GET, key).header("Nearkv-Min-Version", version.to_string())).await
    }

    /// PUT of a key.
    pub async fn put(&self, key: &str, value: impl Into<reqwest::Body>) -> Result<Answer> {
        self.send(self.request(Method::PUT, key).body(value)).await
    }

    /// PUT of a key under a condition: `name` is `If-Match` or `If-None-Match`.
    pub async fn put_if(&self, name: &str, tag: &str, key: &str, value: String) -> Result<Answer> {
        self.send(self.request(Method::PUT, key).header(name, tag).body(value)).await
    }

    /// PUT of a key that expires `seconds` later.
    pub async fn put_for(&self, seconds: u64, key: &str, value: String) -> Result<Answer> {
        let key = format!("{key}?expiration_ttl={seconds}");
        self.send(self.request(Method::PUT, &key).body(value)).await
    }

    /// POST of a bulk: each line is a put or a delete, as docs/rest.md has them.
    pub async fn bulk_write(&self, lines: &[serde_json::Value]) -> Result<Answer> {
        let end = serde_json::json!({"end": lines.len()});
        let body: String = lines.iter().chain([&end]).map(|line| format!("{line}\n")).collect();
        let request = self.request(Method::POST, "bulk/write").header(CONTENT_TYPE, MEDIA_TYPE);
        self.send(request.body(body)).await
    }

    /// DELETE of a key.
    pub async fn delete(&self, key: &str) -> Result<Answer> {
        self.send(self.request(Method::DELETE, key)).await
    }

    /// All key names with `prefix`, over as many pages as it takes.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut cursor = String::new();
        loop {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("prefix", prefix)
                .append_pair("cursor", &cursor)
                .finish();
            let answer = self.send(self.client.get(format!("{}?{query}", self.base))).await?.ok()?;
            let page: Page = serde_json::from_str(&answer.body).map_err(|error| {
                HarnessError::Unexpected(format!("a list that is no list, {error}: {}", answer.body))
            })?;
            names.extend(page.keys.into_iter().map(|key| key.name));
            match page.cursor {
                Some(next) if !page.list_complete => cursor = next,
                _ => return Ok(names),
            }
        }
    }

    fn request(&self, method: Method, key: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/{key}", self.base))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let failed = |source| HarnessError::Http { action: format!("ask {}", self.base), source };
        let answer = request.send().await.map_err(failed)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(failed)?;
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

impl Answer {
    /// The answer, if its status is 2xx.
    ///
    /// # Errors
    /// With status and body, if it is not.
    pub fn ok(self) -> Result<Answer> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(HarnessError::Unexpected(format!("answered {}: {}", self.status, self.body)))
    }

    /// The value of an answered GET: none where the key is absent.
    ///
    /// # Errors
    /// With status and body, if the answer is neither a value nor an absence.
    pub fn value(self) -> Result<Option<String>> {
        if self.status == StatusCode::NOT_FOUND { Ok(None) } else { Ok(Some(self.ok()?.body)) }
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The version of the entry that was read or written.
    pub fn entry_version(&self) -> Option<Version> {
        Version::from_etag(self.headers.get(ETAG)?.to_str().ok()?)
    }

    /// The state at which the answer is true.
    pub fn state(&self) -> Option<Version> {
        self.header("Nearkv-Version")?.parse().ok()
    }
}

#[derive(serde::Deserialize)]
struct Page {
    keys: Vec<Name>,
    list_complete: bool,
    cursor: Option<String>,
}

#[derive(serde::Deserialize)]
struct Name {
    name: String,
}
