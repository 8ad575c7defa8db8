//! What wrangler asks for when it starts (contract §3.3): is the token good, and which accounts are there.

use axum::response::Response;
use serde_json::{Value, json};

use super::{envelope::success, face::RestFace};
use crate::Error;

impl RestFace {
    /// Whoever gets here may go on: this face itself gives out no tokens.
    pub(super) fn verify_token(&self) -> Result<Response, Error> {
        success(json!({ "id": "00000000000000000000000000000000", "status": "active" }), None)
    }

    pub(super) async fn accounts(&self) -> Result<Response, Error> {
        let accounts: Vec<Value> =
            self.namespaces.accounts().await?.iter().map(|name| account(name)).collect();
        success(accounts, None)
    }

    pub(super) fn account(&self, name: &str) -> Result<Response, Error> {
        success(account(name), None)
    }

    pub(super) async fn memberships(&self) -> Result<Response, Error> {
        let membership = |name: &String| json!({ "id": name, "status": "accepted", "account": account(name), "roles": ["Workers KV"] });
        let memberships: Vec<Value> = self.namespaces.accounts().await?.iter().map(membership).collect();
        success(memberships, None)
    }
}

fn account(name: &str) -> Value {
    json!({ "id": name, "name": name, "type": "standard" })
}
