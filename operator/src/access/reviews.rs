//! What the API server is asked about a token, and what its answer means. Pure.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use nearkv::{
    Expiration,
    access::{Access, BearerToken, Verb},
};
use serde::Deserialize;

/// The audience of tokens for nearkv. A token for the API server itself is none.
pub(super) const AUDIENCE: &str = "nearkv";

const GROUP: &str = "nearkv.dev";
const RESOURCE: &str = "kvnamespaces";
/// What whoever reads and writes values has verbs on.
const VALUES: &str = "values";
/// What an edge has `get` on: it reads all there is to read, and writes nothing of its own.
const FEED: &str = "feed";

/// Whom a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    username: String,
    uid: Option<String>,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

pub(super) fn token_review(token: &BearerToken) -> TokenReview {
    let spec =
        TokenReviewSpec { audiences: Some(vec![AUDIENCE.to_owned()]), token: token.expose().to_owned() };
    TokenReview { spec, ..TokenReview::default() }
}

/// The identity, if the token is good *for nearkv*: "A client of the TokenReview API that sets the spec.audiences field
/// should validate that a compatible audience identifier is returned" (authentication/v1).
pub(super) fn identity(review: TokenReview) -> Option<Identity> {
    let status = review.status.filter(|status| status.authenticated == Some(true))?;
    let ours = status.audiences.iter().flatten().any(|audience| audience == AUDIENCE);
    let user = status.user.filter(|_| ours)?;
    Some(Identity {
        username: user.username.filter(|name| !name.is_empty())?,
        uid: user.uid,
        groups: user.groups.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
    })
}

/// When a token ends by itself, if it is a JWT that says so (RFC 7519 §4.1.4). Believed only of a token that the API
/// server has just called good.
pub(super) fn expiration(token: &BearerToken) -> Option<Expiration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: Option<f64>,
    }
    let payload = token.expose().split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    claims.exp.filter(|exp| *exp >= 0.0).map(|exp| Expiration(exp as u64))
}

/// The questions of which one must be answered with yes; none where being somebody is enough.
pub(super) fn access_reviews(identity: &Identity, access: &Access) -> Vec<SubjectAccessReview> {
    let review = |attributes| SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            user: Some(identity.username.clone()),
            uid: identity.uid.clone(),
            groups: Some(identity.groups.clone()),
            extra: Some(identity.extra.clone()),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    attributes(access).into_iter().map(review).collect()
}

fn attributes(access: &Access) -> Vec<ResourceAttributes> {
    let of = |verb: Verb, account: Option<&str>, name: Option<&str>, subresource: Option<&str>| {
        ResourceAttributes {
            group: Some(GROUP.to_owned()),
            resource: Some(RESOURCE.to_owned()),
            subresource: subresource.map(str::to_owned),
            namespace: account.map(str::to_owned),
            name: name.map(str::to_owned),
            verb: Some(verb.as_str().to_owned()),
            ..ResourceAttributes::default()
        }
    };
    match access {
        Access::Authenticated => Vec::new(),
        Access::Accounts => vec![of(Verb::List, None, None, None)],
        Access::Values { namespace, verb } => {
            let (account, name) = (Some(namespace.account()), Some(namespace.name()));
            let mut any = vec![of(*verb, account, name, Some(VALUES))];
            if matches!(verb, Verb::Get | Verb::List) {
                any.push(of(Verb::Get, account, name, Some(FEED)));
            }
            any
        }
        Access::Namespaces { account, name, verb } => {
            let (account, name) = (Some(&**account), name.as_deref());
            let mut any = vec![of(*verb, account, name, None)];
            // An edge looks up which KvNamespace has an id.
            if *verb == Verb::Get {
                any.push(of(Verb::Get, account, name, Some(FEED)));
            }
            any
        }
    }
}

pub(super) fn is_allowed(review: SubjectAccessReview) -> bool {
    review.status.is_some_and(|status| status.allowed && status.denied != Some(true))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::authentication::v1::{TokenReviewStatus, UserInfo};

    use super::*;

    fn answered(authenticated: bool, audiences: &[&str], username: &str) -> TokenReview {
        let user = UserInfo { username: Some(username.to_owned()), ..UserInfo::default() };
        let audiences = Some(audiences.iter().map(|audience| (*audience).to_owned()).collect());
        let status = TokenReviewStatus {
            authenticated: Some(authenticated),
            audiences,
            user: Some(user),
            ..TokenReviewStatus::default()
        };
        TokenReview { status: Some(status), ..TokenReview::default() }
    }

    #[test]
    fn a_token_that_is_not_for_nearkv_is_nobodys() {
        assert!(identity(answered(true, &["nearkv"], "u")).is_some());
        for review in [
            answered(false, &["nearkv"], "u"),
            answered(true, &["https://kubernetes.default.svc"], "u"),
            answered(true, &[], "u"),
            answered(true, &["nearkv"], ""),
            TokenReview::default(),
        ] {
            assert_eq!(identity(review.clone()), None, "{review:?}");
        }
    }

    #[test]
    fn a_feed_reads_and_never_writes_or_manages() {
        let namespace = "team-a/settings".parse().unwrap();
        let by_feed = |access: &Access| {
            let fed = |attributes: &ResourceAttributes| attributes.subresource.as_deref() == Some(FEED);
            attributes(access).iter().any(fed)
        };
        for verb in Verb::ALL {
            let reads = matches!(verb, Verb::Get | Verb::List);
            assert_eq!(by_feed(&Access::values(&namespace, verb)), reads, "{verb:?}");
            assert_eq!(by_feed(&Access::namespace(&namespace, verb)), verb == Verb::Get, "{verb:?}");
        }
        assert!(!by_feed(&Access::Accounts));
    }

    #[test]
    fn an_access_is_asked_for_with_its_namespace_and_name() {
        let namespace = "team-a/settings".parse().unwrap();
        let asked = attributes(&Access::values(&namespace, Verb::Update));
        let [one] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!(one.group.as_deref(), Some("nearkv.dev"));
        assert_eq!(one.resource.as_deref(), Some("kvnamespaces"));
        assert_eq!(one.subresource.as_deref(), Some("values"));
        assert_eq!(one.namespace.as_deref(), Some("team-a"));
        assert_eq!(one.name.as_deref(), Some("settings"));
        assert_eq!(one.verb.as_deref(), Some("update"));
        let all = attributes(&Access::Accounts);
        assert_eq!((all[0].verb.as_deref(), all[0].namespace.as_deref()), (Some("list"), None));
    }

    #[test]
    fn the_end_of_a_token_is_read_from_its_claims() {
        let jwt =
            |claims: &str| BearerToken::new(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))).unwrap();
        assert_eq!(expiration(&jwt(r#"{"exp":1800000000}"#)), Some(Expiration(1_800_000_000)));
        for other in [jwt("{}"), jwt("[]"), jwt(r#"{"exp":-1}"#), BearerToken::new("opaque").unwrap()] {
            assert_eq!(expiration(&other), None);
        }
    }
}
