//! Namespaces: list, create, get, rename, delete.

use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    envelope::{success, success_with},
    face::RestFace,
    pages::Page,
};
use crate::{
    Error, NamespaceId, NamespaceInfo, Reason,
    http::server::{face::Asked, upload::Upload},
    limits::MAX_TITLE_CHARS,
};

/// Longest body of a create or rename: a title of 512 characters that are all escapes, and some.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// A namespace on the wire. `name` is ours: with the account it says which KvNamespace this is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Namespace")]
pub(super) struct Shown<'a> {
    id: String,
    name: &'a str,
    title: &'a str,
    supports_url_encoding: bool,
}

impl<'a> From<&'a NamespaceInfo> for Shown<'a> {
    fn from(info: &'a NamespaceInfo) -> Self {
        let NamespaceInfo { namespace, title } = info;
        Self { id: namespace.id().to_string(), name: namespace.name(), title, supports_url_encoding: true }
    }
}

/// The body of a create or rename.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NamespaceTitle")]
pub(super) struct Given {
    #[schemars(with = "String", extend("minLength" = 1, "maxLength" = MAX_TITLE_CHARS))]
    title: Option<String>,
    #[schemars(with = "Option<()>")]
    jurisdiction: Option<serde_json::Value>,
}

impl RestFace {
    pub(super) async fn list_namespaces(&self, account: &str, asked: &Asked<'_>) -> Result<Response, Error> {
        let page = Page::of(asked)?;
        let by_title = choice(asked, "order", "id", "title")?;
        let descending = choice(asked, "direction", "asc", "desc")?;
        let mut all = self.namespaces.list(account).await?;
        if by_title {
            all.sort_by(|a, b| a.title.cmp(&b.title));
        } else {
            all.sort_by_cached_key(|info| info.namespace.id());
        }
        if descending {
            all.reverse();
        }
        let (shown, info) = page.of_all(all.iter().map(Shown::from).collect());
        success_with(shown, Some(info), None)
    }

    pub(super) async fn create_namespace(
        &self,
        account: &str,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        let title = title(upload).await?;
        let info = self.namespaces.create(account, &title).await?;
        success(Shown::from(&info), None)
    }

    pub(super) async fn get_namespace(&self, account: &str, id: &str) -> Result<Response, Error> {
        let id: NamespaceId = id.parse()?;
        let info = self.namespaces.find(account, id).await?;
        success(Shown::from(&info.ok_or_else(|| Error::namespace_unknown(account, id))?), None)
    }

    pub(super) async fn rename_namespace(
        &self,
        account: &str,
        id: &str,
        upload: Option<&Upload>,
    ) -> Result<Response, Error> {
        let id = id.parse()?;
        let info = self.namespaces.rename(account, id, &title(upload).await?).await?;
        success(Shown::from(&info), None)
    }

    pub(super) async fn remove_namespace(&self, account: &str, id: &str) -> Result<Response, Error> {
        self.namespaces.delete(account, id.parse()?).await?;
        success((), None)
    }
}

/// Whether a parameter says the second of two words; the first is the default.
fn choice(asked: &Asked<'_>, name: &str, first: &str, second: &str) -> Result<bool, Error> {
    match asked.parameter(name).as_deref() {
        None => Ok(false),
        Some(given) if given == first => Ok(false),
        Some(given) if given == second => Ok(true),
        Some(given) => Err(Error::new(
            Reason::RequestInvalid,
            format!("Invalid {name} of {given:?}. Please specify {first} or {second}."),
        )),
    }
}

async fn title(upload: Option<&Upload>) -> Result<String, Error> {
    let invalid = |text: String| Error::new(Reason::BodyInvalid, text);
    let body = match upload {
        Some(upload) => upload.bytes(MAX_BODY_BYTES).await?,
        None => Some(bytes::Bytes::new()),
    };
    let body = body.ok_or_else(|| invalid(format!("a body has at most {MAX_BODY_BYTES} bytes")))?;
    let given: Given = serde_json::from_slice(&body)
        .map_err(|error| invalid(format!("a body is a JSON object with title: {error}")))?;
    if given.jurisdiction.is_some_and(|jurisdiction| !jurisdiction.is_null()) {
        let text = "jurisdictions are not known here: where data are kept is where the cluster is";
        return Err(invalid(text.to_owned()));
    }
    given.title.ok_or_else(|| Error::new(Reason::TitleInvalid, "request is missing a title definition"))
}
