//! The binding of a KvNamespace: two Secrets beside it, a Provisioned Service of the Service Binding specification 1.1
//! and its read-only twin, with tokens whose hashes stand in the status. Nothing else holds a token.
//!
//! *In which order:* t0 tokens are made; t1 their hashes are written into the status, from when on the old ones are
//! refused; t2 the Secrets are written. Cut off between t1 and t2, the next round finds Secrets whose tokens are not
//! those of the status, and makes new ones. So no Secret ever hands out a token for long that is not good.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ObjectMeta, PostParams, Preconditions},
};
use nearkv::{Namespace, Random, access::BearerToken};
use tokio::time::timeout;

use crate::{
    access::binding::{BindingToken, Grade, hex},
    api::{BindingStatus, KvNamespace, KvNamespaceStatus, ROTATE_ANNOTATION},
};

/// The type of the Secrets: `servicebinding.io/{type}` as the specification recommends it.
const SECRET_TYPE: &str = "servicebinding.io/workers-kv";
/// For one request.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);
const GRADES: [Grade; 2] = [Grade::ReadWrite, Grade::ReadOnly];

/// Where programs reach the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl {
    base: String,
    host: String,
    port: u16,
}

impl std::str::FromStr for ServiceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} is no URL such as http://nearkv.nearkv-system.svc:80");
        let uri: http::Uri = text.parse().map_err(|_| malformed())?;
        let default_port = match uri.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return Err(malformed()),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(malformed());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(malformed)?.to_owned();
        let port = uri.port_u16().unwrap_or(default_port);
        Ok(Self { base: text.trim_end_matches('/').to_owned(), host, port })
    }
}

/// A Secret of a binding could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} Secret {name} of the binding")]
pub struct BindingError {
    action: &'static str,
    name: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// What is under the name of a Secret.
#[derive(Clone, Debug, PartialEq)]
enum Found {
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
enum Plan {
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
enum Blocked {
    /// `--service-url` is not given.
    NoServiceUrl,
    /// Somebody else's Secret has the name.
    NameTaken(String),
}

/// How a binding stands, for the condition `Bound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `True` or `False`.
    pub status: &'static str,
    /// The reason.
    pub reason: &'static str,
    /// In words.
    pub message: String,
}

/// Makes bindings.
pub struct Binder {
    client: Client,
    url: Option<ServiceUrl>,
    random: Arc<Random>,
}

/// What is left to do once the status is written.
pub struct Unwritten(Vec<Step>);

enum Step {
    Write(Box<Secret>, Found),
    Delete(String, Option<String>),
}

impl Binder {
    /// Bindings to the service at `url`; without one none is made.
    #[must_use]
    pub fn new(client: Client, url: Option<ServiceUrl>, random: Arc<Random>) -> Self {
        Self { client, url, random }
    }

    /// Decides, and puts the hashes of what is decided into the status, which is to be written before the rest.
    ///
    /// # Errors
    /// If a Secret cannot be read.
    pub async fn decide(
        &self,
        namespace: &Namespace,
        desired: &KvNamespace,
        status: &mut KvNamespaceStatus,
    ) -> Result<(Option<Standing>, Unwritten), BindingError> {
        if desired.spec.binding.is_none() && status.binding.is_none() {
            return Ok((None, Unwritten(Vec::new())));
        }
        let mut found = Vec::with_capacity(GRADES.len());
        for grade in GRADES {
            found.push(self.find(namespace, desired, grade).await?);
        }
        let rotation = desired.annotations().get(ROTATE_ANNOTATION);
        let plan = plan(
            namespace,
            desired.spec.binding.is_some(),
            self.url.as_ref(),
            status.binding.as_ref(),
            rotation,
            &found,
        );
        let tokens = match plan {
            Plan::Nothing => return Ok((None, Unwritten(Vec::new()))),
            Plan::Remove => {
                status.binding = None;
                let steps = GRADES.iter().zip(found).filter_map(|(grade, found)| match found {
                    Found::Own { uid, .. } => Some(Step::Delete(secret_name(namespace, *grade), uid)),
                    Found::Nothing | Found::Foreign => None,
                });
                return Ok((None, Unwritten(steps.collect())));
            }
            Plan::Blocked(blocked) => return Ok((Some(blocked.standing()), Unwritten(Vec::new()))),
            Plan::Keep(tokens) => tokens,
            Plan::Mint => GRADES.map(|grade| BindingToken::mint(grade, namespace, &self.random)),
        };
        let Some(url) = &self.url else {
            return Ok((Some(Blocked::NoServiceUrl.standing()), Unwritten(vec![])));
        };
        let [token_hash, read_only_token_hash] = tokens.each_ref().map(|token| hash(token));
        let [name, read_only_name] = GRADES.map(|grade| secret_name(namespace, grade));
        let message = format!("Secrets {name} and {read_only_name} hold the tokens");
        status.binding = Some(BindingStatus {
            name,
            read_only_name,
            token_hash,
            read_only_token_hash,
            rotation: rotation.cloned(),
        });
        let mut steps = Vec::new();
        for ((grade, token), found) in GRADES.into_iter().zip(&tokens).zip(found) {
            let wanted = content(url, namespace, token);
            if !matches!(&found, Found::Own { content, .. } if *content == wanted) {
                let name = secret_name(namespace, grade);
                steps.push(Step::Write(Box::new(secret(&name, desired, wanted)), found));
            }
        }
        Ok((Some(Standing { status: "True", reason: "Bound", message }), Unwritten(steps)))
    }

    /// Writes the Secrets, once the status is written.
    ///
    /// # Errors
    /// If one cannot be written; another round mends it.
    pub async fn write(
        &self,
        namespace: &Namespace,
        Unwritten(steps): Unwritten,
    ) -> Result<(), BindingError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace.account());
        for step in steps {
            match step {
                Step::Write(secret, Found::Own { uid, .. }) => {
                    let mut secret = *secret;
                    // Not another one that has come under the name meanwhile.
                    secret.metadata.uid = uid;
                    let name = secret.name_any();
                    limited("replace", &name, api.replace(&name, &PostParams::default(), &secret)).await?;
                }
                Step::Write(secret, Found::Nothing | Found::Foreign) => {
                    limited("create", &secret.name_any(), api.create(&PostParams::default(), &secret))
                        .await?;
                }
                Step::Delete(name, uid) => {
                    let preconditions = Preconditions { uid, resource_version: None };
                    let parameters = DeleteParams::default().preconditions(preconditions);
                    limited("delete", &name, api.delete(&name, &parameters)).await?;
                }
            }
        }
        Ok(())
    }

    async fn find(
        &self,
        namespace: &Namespace,
        desired: &KvNamespace,
        grade: Grade,
    ) -> Result<Found, BindingError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace.account());
        let name = secret_name(namespace, grade);
        let secret = limited("read", &name, api.get_opt(&name)).await?;
        Ok(secret.map_or(Found::Nothing, |secret| found(secret, desired)))
    }
}

impl Blocked {
    fn standing(&self) -> Standing {
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

async fn limited<T>(
    action: &'static str,
    name: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, BindingError> {
    let failed = |source| BindingError { action, name: name.to_owned(), source };
    match timeout(REQUEST_LIMIT, request).await {
        Ok(answer) => answer.map_err(|error| failed(error.into())),
        Err(elapsed) => Err(failed(elapsed.into())),
    }
}

fn secret_name(namespace: &Namespace, grade: Grade) -> String {
    match grade {
        Grade::ReadWrite => format!("{}-kv", namespace.name()),
        Grade::ReadOnly => format!("{}-kv-read-only", namespace.name()),
    }
}

fn found(secret: Secret, desired: &KvNamespace) -> Found {
    let owners = secret.metadata.owner_references.iter().flatten();
    let ours = owners.filter(|owner| Some(&owner.uid) == desired.metadata.uid.as_ref()).count() > 0;
    if !ours || secret.type_.as_deref() != Some(SECRET_TYPE) {
        return Found::Foreign;
    }
    Found::Own { uid: secret.metadata.uid, content: secret.data.unwrap_or_default() }
}

fn plan(
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
fn hash(token: &str) -> String {
    BearerToken::new(token).map_or_else(|_| String::new(), |token| hex(token.hash()))
}

/// The entries that the specification knows, and nearkv's own.
fn content(url: &ServiceUrl, namespace: &Namespace, token: &str) -> BTreeMap<String, ByteString> {
    let entries = [
        ("type", "workers-kv".to_owned()),
        ("provider", "nearkv".to_owned()),
        ("uri", format!("{}/kv/{namespace}", url.base)),
        ("host", url.host.clone()),
        ("port", url.port.to_string()),
        ("account", namespace.account().to_owned()),
        ("namespace", namespace.name().to_owned()),
        ("namespace-id", namespace.id().to_string()),
        ("token", token.to_owned()),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes()))).collect()
}

fn secret(name: &str, desired: &KvNamespace, content: BTreeMap<String, ByteString>) -> Secret {
    let label = ("nearkv.dev/kvnamespace".to_owned(), desired.name_any());
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: desired.namespace(),
            labels: Some([label].into()),
            owner_references: desired.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(SECRET_TYPE.to_owned()),
        data: Some(content),
        ..Secret::default()
    }
}

#[cfg(test)]
#[path = "binding_tests.rs"]
mod tests;
