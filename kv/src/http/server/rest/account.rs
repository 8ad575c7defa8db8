//! What wrangler asks for when it starts (contract §3.3): is the token good, and which accounts are there.

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    envelope::{success, success_with},
    face::RestFace,
    pages::Page,
};
use crate::{Error, access::Access, http::server::face::Asked};

impl RestFace {
    /// Whether the token is anybody's; where nobody asks for one, none is the same as any.
    pub(super) async fn verify_token(&self) -> Result<Response, Error> {
        self.ids.admit(Access::Authenticated).await?;
        success(json!({ "id": "00000000000000000000000000000000", "status": "active" }), None)
    }

    pub(super) async fn accounts(&self, asked: &Asked<'_>) -> Result<Response, Error> {
        self.list_of_accounts(asked, account).await
    }

    /// The account as its name says it; whether it exists is not looked up.
    pub(super) async fn account(&self, name: &str) -> Result<Response, Error> {
        self.ids.admit(Access::Authenticated).await?;
        success(account(name), None)
    }

    pub(super) async fn memberships(&self, asked: &Asked<'_>) -> Result<Response, Error> {
        let membership = |name: &str| json!({ "id": name, "status": "accepted", "account": account(name), "roles": ["Workers KV"] });
        self.list_of_accounts(asked, membership).await
    }

    async fn list_of_accounts(
        &self,
        asked: &Asked<'_>,
        shown: impl Fn(&str) -> Value,
    ) -> Result<Response, Error> {
        let page = Page::of(asked)?;
        let all = self.namespaces.accounts().await?.iter().map(|name| shown(name)).collect();
        let (accounts, info) = page.of_all(all);
        success_with(accounts, Some(info), None)
    }
}

fn account(name: &str) -> Value {
    json!({ "id": name, "name": name, "type": "standard" })
}
