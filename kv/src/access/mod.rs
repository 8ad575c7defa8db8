//! Who may read and write (design §9): a request's [`Caller`], what it wants as an [`Access`], the [`Authority`] that
//! decides, and the [`Guard`] that remembers decisions. [`Guarded`] and [`GuardedNamespaces`] stand before what is
//! guarded: they judge the very operation that is about to run, so no path, header or face leads around them.

mod caller;
mod connection;
#[cfg(feature = "server")]
mod decisions;
mod desk;
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
#[cfg(feature = "server")]
pub use decisions::Decisions;
pub use desk::{Desk, Held};
#[cfg(feature = "server")]
pub use guard::{Guard, GuardSettings, MOST_ALLOWED_FOR, MOST_REFUSED_FOR, Permit};
#[cfg(feature = "server")]
pub use guarded::{Guarded, GuardedNamespaces};
pub use token::{BearerToken, TokenFile, TokenHash};

use crate::{Error, Namespace, Reason};

/// What is done, by the words of Kubernetes (RBAC's `verbs`).
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

/// What a request wants. [`fmt::Display`] completes "may not …".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// To be somebody known, whoever it is.
    Known,
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
            Self::Known => f.write_str("do anything"),
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

/// What an authority says of a token and an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Go on.
    Allowed,
    /// The token is good, and does not go this far (403).
    Forbidden,
    /// The token is nobody's, or no longer (401).
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

/// A verdict, and for how long it may be believed without asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// From the moment the question was sent; at most what the authority's own knowledge has left.
    pub lasts: Duration,
}

/// Who decides: at the origin the cluster and the KvNamespaces' binding tokens, at an edge its upstream.
#[async_trait]
pub trait Authority: Send + Sync + 'static {
    /// Decides about one access.
    ///
    /// # Errors
    /// Whatever keeps it from deciding; an outage ([`Reason::is_outage`]) means that whoever knows could not be
    /// reached.
    async fn decide(&self, token: &BearerToken, access: &Access) -> Result<Decision, Error>;
}
