//! Fourth step: carries the plan out. The only step that writes data; it decides nothing but what the
//! origin's answers leave to decide.

use async_trait::async_trait;
use nearkv::{Error, Namespace, Version};

use super::plan::Plan;
use crate::api::ACCEPT_LOSS;
use nearkv_origin::{
    Declaration, DeclareOutcome, Health, InitialState, NamespaceConfig, OnLoss, Origin, Report,
};

/// What the controller needs of the origin.
#[async_trait]
pub trait Data: Send + Sync {
    /// See [`Origin::configure`].
    fn configure(&self, config: NamespaceConfig) -> bool;
    /// See [`Origin::initialise`].
    async fn initialise(&self, namespace: &Namespace, initial_state: InitialState) -> Result<Version, Error>;
    /// See [`Origin::declare`].
    async fn declare(&self, namespace: &Namespace, declaration: Declaration)
    -> Result<DeclareOutcome, Error>;
    /// See [`Origin::repair`].
    async fn repair(&self, namespace: &Namespace, on_loss: OnLoss) -> Result<nearkv_origin::Repair, Error>;
    /// See [`Origin::report`].
    fn report(&self, namespace: &Namespace) -> Option<Report>;
}

#[async_trait]
impl Data for Origin {
    fn configure(&self, config: NamespaceConfig) -> bool {
        Origin::configure(self, config)
    }

    async fn initialise(&self, namespace: &Namespace, initial_state: InitialState) -> Result<Version, Error> {
        Origin::initialise(self, namespace, initial_state).await
    }

    async fn declare(
        &self,
        namespace: &Namespace,
        declaration: Declaration,
    ) -> Result<DeclareOutcome, Error> {
        Origin::declare(self, namespace, declaration).await
    }

    async fn repair(&self, namespace: &Namespace, on_loss: OnLoss) -> Result<nearkv_origin::Repair, Error> {
        Origin::repair(self, namespace, on_loss).await
    }

    fn report(&self, namespace: &Namespace) -> Option<Report> {
        Origin::report(self, namespace)
    }
}

/// What came of a plan. A status can be made of nothing else.
#[derive(Debug)]
pub struct Applied {
    /// The repair, if one was asked for and could be judged.
    pub repair: Option<Repair>,
    /// The declared set's commit, or what stood in its way.
    pub declared: Result<DeclareOutcome, Error>,
    /// The state of the data afterwards; `None` if the KvNamespace is gone meanwhile.
    pub report: Option<Report>,
}

/// What came of a request for repair.
#[derive(Debug)]
pub struct Repair {
    /// The annotation's value.
    pub value: String,
    /// What was done.
    pub outcome: RepairOutcome,
}

/// What was done about a request for repair.
#[derive(Debug)]
pub enum RepairOutcome {
    /// The data are sound.
    NotNeeded,
    /// Written anew from memory.
    Done(Version),
    /// Nothing was written: keys would be dropped, as these words say.
    Refused(String),
    /// Not possible.
    Failed(Error),
}

impl RepairOutcome {
    /// The Event's reason, and the word in `status.lastRepairResult`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotNeeded => "RepairNotNeeded",
            Self::Done(_) => "Repaired",
            Self::Refused(_) => "RepairRefused",
            Self::Failed(_) => "RepairFailed",
        }
    }

    /// What it comes to, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::NotNeeded => "the data are sound; nothing repaired".to_owned(),
            Self::Done(version) => format!("wrote the root anew as version {version}"),
            Self::Refused(what) => what.clone(),
            Self::Failed(error) => format!("failed to repair: {error}"),
        }
    }
}

/// Carries out a plan.
pub async fn apply(data: &dyn Data, plan: Plan) -> Applied {
    let Plan { config, initial_state, repair, declaration } = plan;
    let namespace = config.namespace.clone();
    // The controller may be ahead of the catalog that tells this replica's origin about the object.
    if !data.configure(config) {
        // The object was deleted while this round was under way; what has its name now is another one's.
        return Applied { repair: None, declared: Err(Error::namespace_missing(&namespace)), report: None };
    }
    let mut initialised = data.initialise(&namespace, initial_state).await;
    let repair = match repair {
        None => None,
        Some(value) => repaired(data, &namespace, &value).await.map(|outcome| Repair { value, outcome }),
    };
    if matches!(repair, Some(Repair { outcome: RepairOutcome::Done(_), .. })) {
        initialised = data.initialise(&namespace, InitialState::Existing).await;
    }
    let declared = match initialised {
        Ok(_) => data.declare(&namespace, declaration).await,
        Err(error) => Err(error),
    };
    Applied { repair, declared, report: data.report(&namespace) }
}

/// `None`: not known yet whether there is anything to repair; the request stays open.
async fn repaired(data: &dyn Data, namespace: &Namespace, value: &str) -> Option<RepairOutcome> {
    let is_accepted = value.split(|c: char| !c.is_alphanumeric() && c != '-').any(|word| word == ACCEPT_LOSS);
    let on_loss = if is_accepted { OnLoss::Accept } else { OnLoss::Refuse };
    match data.report(namespace)?.health {
        Health::Loading => None,
        Health::Ready => Some(RepairOutcome::NotNeeded),
        Health::RootMissing
        | Health::FormatUnknown { .. }
        | Health::RootDamaged { .. }
        | Health::NameTaken { .. }
        | Health::PartDamaged { .. }
        | Health::StoreRefused { .. } => Some(match data.repair(namespace, on_loss).await {
            Ok(nearkv_origin::Repair::Done(version)) => RepairOutcome::Done(version),
            Ok(nearkv_origin::Repair::WouldDrop(what)) => RepairOutcome::Refused(what),
            Err(error) => RepairOutcome::Failed(error),
        }),
    }
}
