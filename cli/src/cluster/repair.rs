//! `kubectl kv repair NAME`: asks the operator to write a KvNamespace's root anew (design §6 invariant 7). It sets an
//! annotation, the controller judges and does it, and the status says what came of it. In development mode the annotation
//! goes into the manifest.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use nearkv::{Clock, SystemClock};
use nearkv_controller::api::{ACCEPT_LOSS, KvNamespace, KvNamespaceStatus, REPAIR_ANNOTATION};
use tokio::time::{Instant, sleep};

use crate::args::RepairArgs;
use crate::exit::Exit;
use crate::failure::Failure;

/// How often the status is read while the operator is at it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Sets the annotation, to a value that asks once, and waits for what comes of it.
///
/// # Errors
/// A [`Failure`]: 5 if keys would be dropped and that was not accepted, 7 if no operator has answered in time, else 1.
pub(super) async fn run(args: RepairArgs) -> Result<(), Failure> {
    let RepairArgs { name, accept_loss, timeout, cluster } = args;
    let config = super::config(&cluster).await?;
    let account = cluster.namespace.unwrap_or_else(|| config.default_namespace.clone());
    let what = format!("KvNamespace {account}/{name}");
    let failed = |action: &str, error: kube::Error| {
        Failure::new(Exit::Failure, format!("failed to {action} {what}: {error}"))
    };
    let client = Client::try_from(config).map_err(|error| failed("set up a client to repair", error))?;

    let request = request(&SystemClock.now().to_string(), accept_loss);
    let patch = serde_json::json!({"metadata": {"annotations": {REPAIR_ANNOTATION: request}}});
    let api: Api<KvNamespace> = Api::namespaced(client, &account);
    let patched = api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await;
    patched.map_err(|error| failed("annotate", error))?;

    let give_up = Instant::now() + timeout;
    while Instant::now() < give_up {
        let object = api.get(&name).await.map_err(|error| failed("read the status of", error))?;
        if let Some(outcome) = outcome(&object.status.unwrap_or_default(), &request) {
            let said = outcome.map_err(|failure| failure.about(&what))?;
            println!("{what}: {said}");
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
    let text =
        format!("no operator has said within {} s what came of the repair of {what}", timeout.as_secs());
    let advice =
        format!("it is still asked for; `kubectl -n {account} describe kvns {name}` says what comes of it");
    Err(Failure::new(Exit::Unreachable, text).with_advice(advice))
}

/// The annotation's value.
fn request(now: &str, accept_loss: bool) -> String {
    if accept_loss { format!("asked at {now}; {ACCEPT_LOSS}") } else { format!("asked at {now}") }
}

/// Why a repair was not done.
#[derive(Debug, PartialEq, Eq)]
struct NotDone {
    exit: Exit,
    why: String,
}

impl NotDone {
    fn about(self, what: &str) -> Failure {
        Failure::new(self.exit, format!("{what} was not repaired: {}", self.why))
    }
}

/// What the status says of this request; `None` while it says nothing.
fn outcome(status: &KvNamespaceStatus, request: &str) -> Option<Result<String, NotDone>> {
    if status.last_repair.as_deref() != Some(request) {
        return None;
    }
    // An operator of an earlier version says only that it has acted.
    let said = status.last_repair_result.as_deref().unwrap_or("Repaired: see the events of the KvNamespace");
    let (word, why) = said.split_once(": ").unwrap_or((said, said));
    Some(match word {
        "RepairRefused" => Err(NotDone { exit: Exit::Refused, why: why.to_owned() }),
        "RepairFailed" => Err(NotDone { exit: Exit::Failure, why: why.to_owned() }),
        _ => Ok(why.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_that_would_drop_keys_ends_with_the_code_of_a_refusal_and_says_how_many() {
        let request = request("noon", false);
        let status = |result: &str| KvNamespaceStatus {
            last_repair: Some(request.clone()),
            last_repair_result: Some(result.into()),
            ..Default::default()
        };
        let of = |result: &str| outcome(&status(result), &request).unwrap();
        let refused = of("RepairRefused: it would drop up to 7 keys: a segment").unwrap_err();
        assert_eq!(
            (refused.exit, refused.why.as_str()),
            (Exit::Refused, "it would drop up to 7 keys: a segment")
        );
        assert_eq!(of("RepairFailed: no state").unwrap_err().exit, Exit::Failure);
        assert_eq!(of("Repaired: as version 2").unwrap(), "as version 2");
        assert_eq!(of("RepairNotNeeded: sound").unwrap(), "sound");
        assert_eq!(outcome(&status("Repaired: x"), "another"), None, "of an earlier request");
    }

    #[test]
    fn a_loss_is_accepted_only_by_a_flag() {
        assert!(!request("noon", false).contains(ACCEPT_LOSS));
        assert!(request("noon", true).ends_with(ACCEPT_LOSS));
    }
}
