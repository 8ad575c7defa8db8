//! Third step: what is to be done with the origin. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    identity::{IdentityError, config_of},
    validate::Validated,
};
use crate::api::{KvNamespace, KvNamespaceStatus, REPAIR_ANNOTATION};
use nearkv_origin::{Declaration, InitialState, NamespaceConfig};

/// Everything that [`super::apply`] is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The KvNamespace as the origin is to know it.
    pub config: NamespaceConfig,
    /// Whether the root may be created.
    pub initial_state: InitialState,
    /// A value of the repair annotation that was not acted upon yet.
    pub repair: Option<String>,
    /// The declared set to commit.
    pub declaration: Declaration,
}

/// Decides what is to be done.
///
/// # Errors
/// If the object has no valid identity.
pub fn plan(
    desired: &KvNamespace,
    previous: &KvNamespaceStatus,
    validated: &Validated,
) -> Result<Plan, IdentityError> {
    let config = config_of(desired)?;
    let declaration = Declaration {
        uid: config.uid.clone(),
        generation: generation(desired),
        entries: validated.entries.clone(),
        complete: validated.is_complete(),
    };
    Ok(Plan {
        config,
        initial_state: initial_state(previous),
        repair: requested_repair(&desired.metadata)
            .filter(|value| previous.last_repair.as_deref() != Some(value))
            .map(str::to_owned),
        declaration,
    })
}

/// The generation that status and root carry.
pub(super) fn generation(desired: &KvNamespace) -> i64 {
    desired.metadata.generation.unwrap_or_default()
}

/// Once a version was seen, the data exist: from then on a missing root is damage (design §6 invariant 7).
fn initial_state(previous: &KvNamespaceStatus) -> InitialState {
    if previous.version.is_some() { InitialState::Existing } else { InitialState::New }
}

/// The value of the repair annotation, if it is there.
#[must_use]
pub fn requested_repair(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(REPAIR_ANNOTATION).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dereference::Dereferenced, testing::Desired, validate::validate};

    fn planned(desired: &Desired, previous: &KvNamespaceStatus) -> Plan {
        let desired = desired.clone().build();
        plan(&desired, previous, &validate(&desired.spec, &Dereferenced::default())).unwrap()
    }

    #[test]
    fn a_root_is_created_once() {
        let desired = Desired::new("settings");
        let mut status = KvNamespaceStatus::default();
        assert_eq!(planned(&desired, &status).initial_state, InitialState::New);
        status.version = Some("0000000000000001.0".into());
        assert_eq!(planned(&desired, &status).initial_state, InitialState::Existing);
    }

    #[test]
    fn each_value_of_the_repair_annotation_asks_once() {
        let mut status = KvNamespaceStatus::default();
        assert_eq!(planned(&Desired::new("settings"), &status).repair, None);
        let asked = Desired::new("settings").annotation(REPAIR_ANNOTATION, "monday");
        assert_eq!(planned(&asked, &status).repair.as_deref(), Some("monday"));
        status.last_repair = Some("monday".into());
        assert_eq!(planned(&asked, &status).repair, None);
        let again = asked.annotation(REPAIR_ANNOTATION, "tuesday");
        assert_eq!(planned(&again, &status).repair.as_deref(), Some("tuesday"));
    }

    #[test]
    fn the_declaration_carries_uid_and_generation() {
        let plan =
            planned(&Desired::new("settings").generation(7).entry("a", "1"), &KvNamespaceStatus::default());
        assert_eq!((plan.declaration.uid.as_str(), plan.declaration.generation), ("uid-1", 7));
        assert_eq!(plan.declaration.entries.len(), 1);
    }
}
