//! Authentication and authorization (design §9). The [`Authority`] decides whether a request's [`Caller`] has an
//! [`Access`], and the [`Guard`] caches its decisions. [`Guarded`] and [`GuardedNamespaces`] wrap what they protect and
//! check each operation right before it runs, so no path, header or face leads around them.

mod caller;
mod connection;
mod decision_cache;
#[cfg(feature = "server")]
mod decision_counts;
#[cfg(feature = "server")]
mod guard;
#[cfg(feature = "server")]
mod guarded;
mod hashed;
#[cfg(test)]
mod tests;
mod token;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

pub use caller::Caller;
#[cfg(feature = "server")]
pub(crate) use connection::remembering_token;
pub use decision_cache::{CachedDecision, DecisionCache};
#[cfg(feature = "server")]
pub use decision_counts::DecisionCounts;
#[cfg(feature = "server")]
pub use guard::{Guard, GuardSettings, MOST_ALLOWED_FOR, MOST_REFUSED_FOR, Permit};
#[cfg(feature = "server")]
pub use guarded::{Guarded, GuardedNamespaces};
pub use token::{BearerToken, TokenFile, TokenHash};

use crate::{Error, Namespace, Reason};

/// A verb of Kubernetes RBAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Reads one or several by name.
    Get,
    /// Lists.
    List,
    /// Creates; only KvNamespaces are created.
    Create,
    /// Writes a value, or gives a KvNamespace another title.
    Update,
    /// Removes.
    Delete,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Get, Self::List, Self::Create, Self::Update, Self::Delete];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// The verb of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }
}

/// What a request needs permission for. [`fmt::Display`] completes "may not …".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A valid token, whoever its bearer is.
    Authenticated,
    /// The values of one KvNamespace.
    Values {
        /// Which.
        namespace: Namespace,
        /// What is done with them.
        verb: Verb,
    },
    /// KvNamespaces themselves.
    Namespaces {
        /// Those of this account.
        account: Arc<str>,
        /// This one; `None` for all, or for one whose name is not known.
        name: Option<Arc<str>>,
        /// What is done with them.
        verb: Verb,
    },
    /// The list of all accounts.
    Accounts,
}

impl Access {
    /// Values of a KvNamespace.
    #[must_use]
    pub fn values(namespace: &Namespace, verb: Verb) -> Self {
        Self::Values { namespace: namespace.clone(), verb }
    }

    /// All KvNamespaces of an account, or one that has no known name.
    #[must_use]
    pub fn account(account: &str, verb: Verb) -> Self {
        Self::Namespaces { account: account.into(), name: None, verb }
    }

    /// One KvNamespace itself.
    #[must_use]
    pub fn namespace(namespace: &Namespace, verb: Verb) -> Self {
        Self::Namespaces { account: namespace.account().into(), name: Some(namespace.name().into()), verb }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticated => f.write_str("do anything"),
            Self::Values { namespace, verb } => {
                write!(f, "{} values of KvNamespace {namespace}", verb.as_str())
            }
            Self::Namespaces { account, name: Some(name), verb } => {
                write!(f, "{} KvNamespace {account}/{name}", verb.as_str())
            }
            Self::Namespaces { account, name: None, verb } => {
                write!(f, "{} KvNamespaces of account {account}", verb.as_str())
            }
            Self::Accounts => f.write_str("list the KvNamespaces of all accounts"),
        }
    }
}

/// What an authority decides about a token and an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The bearer may.
    Allowed,
    /// The token is valid, and its bearer may not (403).
    Forbidden,
    /// The token is not valid, or no longer (401).
    Unknown,
}

impl Verdict {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::Unknown => "unknown",
        }
    }

    /// The verdict of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Allowed, Self::Forbidden, Self::Unknown].into_iter().find(|verdict| verdict.as_str() == word)
    }

    /// Success, or the refusal that the client reads.
    ///
    /// # Errors
    /// `forbidden` (403), `unauthenticated` (401).
    pub fn judge(self, access: &Access) -> Result<(), Error> {
        match self {
            Self::Allowed => Ok(()),
            Self::Forbidden => Err(Error::new(Reason::Forbidden, format!("This token may not {access}"))),
            Self::Unknown => Err(Error::new(
                Reason::Unauthenticated,
                "Unable to authenticate request: the token is not valid, or no longer",
            )),
        }
    }
}

/// A verdict, and how long it may be used without a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// From the moment the request was sent. At most what is left of the authority's own decision.
    pub lasts: Duration,
}

/// Decides about tokens: at the origin the cluster and the KvNamespaces' binding tokens, at an edge its upstream.
#[async_trait]
pub trait Authority: Send + Sync + 'static {
    /// Decides about one access.
    ///
    /// # Errors
    /// The failure that kept it from deciding. An outage ([`Reason::is_outage`]) means that the authority was
    /// unreachable.
    async fn decide(&self, token: &BearerToken, access: &Access) -> Result<Decision, Error>;
}
