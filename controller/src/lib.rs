//! The controller: makes the data follow the KvNamespace objects ([`api`]), as a pipeline with one file per step:
//! [`dereference`] → [`validate`] → [`plan`] → [`apply`] → [`status`]. Only the first and the fourth touch the
//! world. [`reconcile`] is the whole, without an API client: the operator calls it with the API server behind
//! it, the development mode with manifests in files.

pub mod api;
pub mod apply;
pub mod dereference;
pub mod events;
pub mod identity;
pub mod plan;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
pub mod validate;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod reconcile_tests;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

pub use apply::Data;
pub use dereference::{ConfigMaps, DereferenceError};
pub use events::Event;
pub use identity::{IdentityError, config_of, is_ending, namespace_of};

use crate::api::{KvNamespace, KvNamespaceStatus};
use nearkv_origin::Declaration;

/// What the controller remembers of a KvNamespace between two rounds. The status is the one last written; the
/// rest may be lost at any time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The status as last written.
    pub status: KvNamespaceStatus,
    /// Digest of the declared set that was last found in force.
    declared: Option<[u8; 32]>,
}

impl Memory {
    /// Memory of a KvNamespace with this status in its object.
    #[must_use]
    pub fn of(status: Option<&KvNamespaceStatus>) -> Self {
        Self { status: status.cloned().unwrap_or_default(), declared: None }
    }
}

/// What a round has come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciled {
    /// What to remember; its status is to be written.
    pub memory: Memory,
    /// What to tell.
    pub events: Vec<Event>,
    /// Whether the declared set is in force. If not, another round is due soon.
    pub settled: bool,
    /// How long the steps took that touch the world.
    pub took: Took,
}

/// How long the steps of a round took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Reading the sources of entries.
    pub dereference: Duration,
    /// Having the origin do what was planned.
    pub apply: Duration,
}

/// Why a round ended before it could say anything new about the KvNamespace.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A source of entries could not be asked for.
    #[error(transparent)]
    Dereference(#[from] DereferenceError),
    /// The object is no KvNamespace that can be served.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl ReconcileError {
    /// Stable word for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dereference(_) => "dereference",
            Self::Identity(_) => "identity",
        }
    }
}

/// One round: makes the data follow `desired`, whose UID and generation must be those of the stored object.
/// The caller keeps the order: one round at a time per KvNamespace, and none for one that [`is_ending`].
///
/// # Errors
/// [`ReconcileError`] if a source cannot be read; nothing was written then. What the origin refuses is no
/// error: the status says it, and `settled` is false.
pub async fn reconcile(
    data: &dyn Data,
    config_maps: &dyn ConfigMaps,
    desired: &KvNamespace,
    memory: &Memory,
    now: Timestamp,
) -> Result<Reconciled, ReconcileError> {
    let namespace = namespace_of(&desired.metadata)?;
    let started = Instant::now();
    let dereferenced = dereference::dereference(&namespace, &desired.spec, config_maps).await?;
    let dereference = started.elapsed();
    let validated = validate::validate(&desired.spec, &dereferenced);
    let plan = plan::plan(desired, &memory.status, &validated)?;
    let config = plan.config.clone();
    let declared = digest(&plan.declaration);
    let started = Instant::now();
    let applied = apply::apply(data, plan).await;
    let took = Took { dereference, apply: started.elapsed() };

    let status = status::status(desired, &config, &memory.status, &validated, &applied, now);
    let events = events::events(&memory.status, &status, &applied, memory.declared == Some(declared));
    let settled = applied.declared.is_ok();
    let declared = settled.then_some(declared);
    Ok(Reconciled { memory: Memory { status, declared }, events, settled, took })
}

fn digest(declaration: &Declaration) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    part(declaration.uid.as_bytes());
    for entry in &declaration.entries {
        part(entry.key.as_str().as_bytes());
        part(&entry.value);
        part(entry.metadata.as_ref().map_or("", |metadata| metadata.as_str()).as_bytes());
        part(&entry.expiration.map_or(0, |expiration| expiration.0).to_le_bytes());
    }
    digest.finalize().into()
}
