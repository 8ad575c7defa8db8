//! Why a step of upkeep did not succeed. What it had written by then is garbage, and the next look decides anew.

use nearkv::Namespace;

use crate::{
    parts::{loader::LoadError, writer::MakeError},
    store::StoreError,
};

/// Why the root was not amended.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AmendError {
    /// The root names another manifest by now, or the step took too long: decide anew.
    #[error("the root has moved on")]
    Superseded,
    /// The committer is shutting down.
    #[error("the committer has stopped")]
    Stopped,
    /// The swap failed, or its outcome is unknown.
    #[error("failed to swap the root")]
    Failed(#[source] nearkv::Error),
}

/// Why a step of upkeep did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum UpkeepError {
    /// Something that the root reaches could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Something could not be created.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// The root could not be amended.
    #[error(transparent)]
    Amend(#[from] AmendError),
    /// The objects could not be listed or deleted.
    #[error("failed to {action} the objects of {namespace}")]
    Store {
        /// `list` or `delete`.
        action: &'static str,
        /// Whose objects.
        namespace: Namespace,
        /// What the store said.
        #[source]
        source: StoreError,
    },
    /// The computing of the pages was cut short.
    #[error("the planning of the pages was aborted")]
    Aborted,
}
