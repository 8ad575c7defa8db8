//! What is to be done about a binding, from what there is: its Secrets, the status and the object. Pure.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use nearkv::{Namespace, access::BearerToken};

use nearkv_controller::{
    api::{BindingStatus, KvNamespace},
    status::Standing,
};

use super::secret::{GRADES, SECRET_TYPE, ServiceUrl, secret_name};
use crate::access::binding::hex;

/// What is under the name of a Secret.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    Nothing,
    /// Another one's: its owner is not this KvNamespace.
    Foreign,
    Own {
        uid: Option<String>,
        content: BTreeMap<String, ByteString>,
    },
}

/// What is to be done. Tokens are in the order of [`GRADES`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// There is no binding, and none is asked for.
    Nothing,
    /// No binding is asked for any more.
    Remove,
    /// Both Secrets hold the tokens of the status.
    Keep([String; 2]),
    /// New tokens.
    Mint,
    /// It cannot be made.
    Blocked(Blocked),
}

/// Why a binding cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// `--service-url` is not given.
    NoServiceUrl,
    /// Somebody else's Secret has the name.
    NameTaken(String),
}

impl Blocked {
    /// For the condition.
    pub(super) fn standing(&self) -> Standing {
        let (reason, message) = match self {
            Self::NoServiceUrl => (
                "ServiceUrlMissing",
                "the operator is run without --service-url, so no binding can say where".to_owned(),
            ),
            Self::NameTaken(name) => {
                ("SecretNameTaken", format!("Secret {name} is not this KvNamespace's; it is left alone"))
            }
        };
        Standing { status: "False", reason, message }
    }
}

/// What a Secret under the name is to this KvNamespace.
pub(super) fn found(secret: Secret, desired: &KvNamespace) -> Found {
    let owners = secret.metadata.owner_references.iter().flatten();
    let ours = owners.filter(|owner| Some(&owner.uid) == desired.metadata.uid.as_ref()).count() > 0;
    if !ours || secret.type_.as_deref() != Some(SECRET_TYPE) {
        return Found::Foreign;
    }
    Found::Own { uid: secret.metadata.uid, content: secret.data.unwrap_or_default() }
}

/// Decides. `found` is in the order of [`GRADES`].
pub(super) fn plan(
    namespace: &Namespace,
    wanted: bool,
    url: Option<&ServiceUrl>,
    present: Option<&BindingStatus>,
    rotation: Option<&String>,
    found: &[Found],
) -> Plan {
    if !wanted {
        return if present.is_some() { Plan::Remove } else { Plan::Nothing };
    }
    if url.is_none() {
        return Plan::Blocked(Blocked::NoServiceUrl);
    }
    let taken = GRADES.iter().zip(found).find(|(_, found)| **found == Found::Foreign);
    if let Some((grade, _)) = taken {
        return Plan::Blocked(Blocked::NameTaken(secret_name(namespace, *grade)));
    }
    let token = |found: &Found| match found {
        Found::Own { content, .. } => {
            content.get("token").and_then(|token| String::from_utf8(token.0.clone()).ok())
        }
        Found::Nothing | Found::Foreign => None,
    };
    match (present, found) {
        (Some(present), [read_write, read_only]) if present.rotation.as_ref() == rotation => {
            match (token(read_write), token(read_only)) {
                (Some(written), Some(read))
                    if hash(&written) == present.token_hash
                        && hash(&read) == present.read_only_token_hash =>
                {
                    Plan::Keep([written, read])
                }
                _ => Plan::Mint,
            }
        }
        _ => Plan::Mint,
    }
}

/// The hash of a token's text; of what is none, one that nothing has.
pub(super) fn hash(token: &str) -> String {
    BearerToken::new(token).map_or_else(|_| String::new(), |token| hex(token.hash()))
}
