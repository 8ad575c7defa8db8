//! The binding of a KvNamespace: two Secrets beside it, a Provisioned Service of the Service Binding specification 1.1
//! and its read-only twin, with tokens whose hashes stand in the status. Nothing else holds a token.
//!
//! *In which order:* t0 tokens are made; t1 their hashes are written into the status, from when on the old ones are
//! refused; t2 the Secrets are written. Cut off between t1 and t2, the next round finds Secrets whose tokens are not
//! those of the status, and makes new ones. So no Secret ever hands out a token for long that is not good.

mod plan;
mod secret;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
};
use nearkv::{Namespace, Random};
use nearkv_controller::{
    api::{BindingStatus, KvNamespace, KvNamespaceStatus, ROTATE_ANNOTATION},
    status::Standing,
};
use tokio::time::timeout;

pub use secret::ServiceUrl;

use crate::access::binding::{BindingToken, Grade};
use plan::{Blocked, Found, Plan, found, hash, plan};
use secret::{GRADES, content, secret, secret_name};

/// For one request.
const REQUEST_LIMIT: Duration = Duration::from_secs(15);

/// A Secret of a binding could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} Secret {name} of the binding")]
pub struct BindingError {
    action: &'static str,
    name: String,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
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
