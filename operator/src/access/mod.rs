//! Who may do what, decided on the cluster (design §9): a ServiceAccount's token by `TokenReview` and
//! `SubjectAccessReview`, a KvNamespace's own binding token by the hash in its status. `reviews` says what is asked and
//! what an answer means; this file asks.

pub mod binding;
mod reviews;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use kube::{Client, client::Body, runtime::reflector::ObjectRef};
use nearkv::{
    Clock, Error, Namespace, Reason,
    access::{Access, Authority, BearerToken, Decision, DecisionCache, MOST_ALLOWED_FOR, TokenHash, Verdict},
    telemetry::SPANS,
};
use serde::{Serialize, de::DeserializeOwned};
use tracing::{Instrument, Span};

use crate::catalog::Follower;
use binding::{BindingToken, Hashes};
use reviews::Identity;

/// Identities that are remembered, per generation: some 500 bytes each.
const IDENTITIES: usize = 10_000;
/// How long a refused token is remembered.
const REFUSED_FOR: Duration = Duration::from_secs(30);
/// A binding token's decision is read from memory, so there is nothing to save by believing it longer.
const BINDING_LASTS: Duration = MOST_ALLOWED_FOR;

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// The cluster as an [`Authority`].
pub struct ClusterAuthority {
    client: Client,
    followers: Vec<Follower>,
    clock: Arc<dyn Clock>,
    /// How long an identity is believed: at most one `TokenReview` in this time for each token.
    identified_for: Duration,
    /// `None` for a token that is nobody's.
    identities: Arc<DecisionCache<TokenHash, Option<Arc<Identity>>>>,
}

impl ClusterAuthority {
    /// Asks the API server with this client, and knows the binding tokens of what is followed. End it with
    /// [`ClusterAuthority::shutdown`].
    #[must_use]
    pub fn new(
        client: Client,
        followers: Vec<Follower>,
        clock: Arc<dyn Clock>,
        identified_for: Duration,
    ) -> Self {
        Self { client, followers, clock, identified_for, identities: DecisionCache::new(IDENTITIES) }
    }

    /// Gives up its questions, and waits for their tasks.
    pub async fn shutdown(&self) {
        self.identities.shutdown().await;
    }

    /// The hashes of a KvNamespace's binding tokens, as far as the watch has come.
    fn hashes(&self, namespace: &Namespace) -> Result<Option<Hashes>, Error> {
        let mut scopes =
            self.followers.iter().filter(|follower| follower.scope.contains(namespace.account()));
        let Some(follower) = scopes.next() else { return Ok(None) };
        if !*follower.listed.borrow() {
            let text = "The KvNamespaces are not listed yet, and with them the binding tokens";
            return Err(Error::new(Reason::Unavailable, text));
        }
        let object = follower.store.get(&ObjectRef::new(namespace.name()).within(namespace.account()));
        Ok(object.and_then(|object| Hashes::of(&object)))
    }

    fn decide_binding(
        &self,
        token: &BindingToken,
        hash: TokenHash,
        access: &Access,
    ) -> Result<Verdict, Error> {
        let hashes = self.hashes(&token.namespace)?;
        Ok(match hashes {
            Some(hashes) if hashes.hold(token.grade, hash) => token.verdict(access),
            _ => Verdict::Unknown,
        })
    }

    /// Whose token this is, and for how long that may be believed.
    async fn identify(&self, token: &BearerToken) -> Result<(Option<Arc<Identity>>, Duration), Error> {
        let question = || {
            let (client, token) = (self.client.clone(), token.clone());
            let (clock, most) = (self.clock.clone(), self.identified_for);
            async move {
                let review =
                    ask(&client, "tokenreviews", TOKEN_REVIEWS, &reviews::token_review(&token)).await?;
                Ok(match reviews::identity(review) {
                    Some(identity) => {
                        let left = reviews::expiration(&token).map(|at| at.remaining(clock.now()));
                        (Some(Arc::new(identity)), left.map_or(most, |left| left.min(most)))
                    }
                    None => (None, REFUSED_FOR),
                })
            }
        };
        let cached = self.identities.get_or_request(token.hash(), question).await?;
        let left = cached.left();
        Ok((cached.value, left))
    }
}

#[async_trait]
impl Authority for ClusterAuthority {
    async fn decide(&self, token: &BearerToken, access: &Access) -> Result<Decision, Error> {
        if let Some(binding) = BindingToken::parse(token) {
            let verdict = self.decide_binding(&binding, token.hash(), access)?;
            return Ok(Decision { verdict, lasts: BINDING_LASTS });
        }
        let (identity, lasts) = self.identify(token).await?;
        let Some(identity) = identity else {
            return Ok(Decision { verdict: Verdict::Unknown, lasts });
        };
        let questions = reviews::access_reviews(&identity, access);
        let mut verdict = if questions.is_empty() { Verdict::Allowed } else { Verdict::Forbidden };
        for question in questions {
            let answer = ask(&self.client, "subjectaccessreviews", ACCESS_REVIEWS, &question).await?;
            if reviews::is_allowed(answer) {
                verdict = Verdict::Allowed;
                break;
            }
        }
        Ok(Decision { verdict, lasts })
    }
}

/// Posts a review, in a span of its own. What is sent and answered holds the token, so neither is left to the client's own
/// log, and no text of the API server's goes into an error.
async fn ask<T: Serialize + DeserializeOwned>(
    client: &Client,
    resource: &str,
    path: &str,
    review: &T,
) -> Result<T, Error> {
    post(client, path, review).instrument(span(resource)).await
}

/// Within the span of the request that asks first.
fn span(resource: &str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let name = format!("create {resource}");
    tracing::debug_span!(target: SPANS, "review", otel.name = name, otel.kind = "client")
}

async fn post<T: Serialize + DeserializeOwned>(client: &Client, path: &str, review: &T) -> Result<T, Error> {
    let internal = |text: &str| Error::new(Reason::Internal, text);
    let body = serde_json::to_vec(review).map_err(|_| internal("Failed to write a review as JSON"))?;
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .map_err(|_| internal("Failed to make a request of a review"))?;
    let unreachable = || Error::new(Reason::Unavailable, "The API server cannot be asked who may do what");
    let response = client.send(request).await.map_err(|error| {
        tracing::debug!(%error, path, "failed to ask for a review");
        unreachable()
    })?;
    let status = response.status();
    if status.is_success() {
        let body = response.into_body().collect_bytes().await.map_err(|_| unreachable())?;
        return serde_json::from_slice(&body).map_err(|_| unreachable());
    }
    tracing::warn!(%status, path, "the API server did not answer a review");
    if status.is_client_error() && status != http::StatusCode::TOO_MANY_REQUESTS {
        let text = "The API server refuses to say who may do what; may nearkv create tokenreviews and subjectaccessreviews?";
        return Err(Error::new(Reason::StoreRefused, text));
    }
    Err(unreachable())
}
