//! The client as an [`Authority`]: it asks the server at the other end, with the token in question.

use async_trait::async_trait;
use http::{HeaderMap, StatusCode, header};

use super::{
    Client,
    bodies::value_of,
    failures::{Operation, refused},
    requests,
};
use crate::{
    Error, Reason,
    access::{Access, Authority, BearerToken, Decision},
    http::questions::{ACCESS_PATH, read_decision, write},
};

#[async_trait]
impl Authority for Client {
    async fn decide(&self, token: &BearerToken, access: &Access) -> Result<Decision, Error> {
        let url = format!("{}{ACCESS_PATH}{}", self.base, write(access));
        let mut headers = HeaderMap::new();
        requests::trace(&mut headers);
        let request = self.http.get(url).headers(headers).header(header::AUTHORIZATION, token.header());
        let response = match tokio::time::timeout(self.read_timeout, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Operation::Get.transport(error)),
            Err(_) => return Err(Operation::Get.timed_out()),
        };
        match response.status() {
            StatusCode::OK => {
                let body = value_of(response, self.read_timeout).into_bytes().await?;
                read_decision(&body).ok_or_else(undecisive)
            }
            StatusCode::NOT_FOUND => Err(undecisive()),
            _ => Err(refused(Operation::Get, response, self.read_timeout).await),
        }
    }
}

/// It is there, and does not know the question: that is no outage.
fn undecisive() -> Error {
    Error::new(
        Reason::StoreRefused,
        "The upstream does not decide who may do what; is it run with --auth=on?",
    )
}
