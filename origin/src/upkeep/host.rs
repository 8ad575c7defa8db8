//! What upkeep stands on: the states of a KvNamespace, and the committer that swaps its root.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    commit::amendment::Amendment,
    format::{Manifest, Root},
    parts::pages::PageEntry,
    state::{damage::Damage, expired::Expired},
    store::ObjectName,
    upkeep::AmendError,
};

/// One state of a KvNamespace, as upkeep needs it.
pub(crate) trait View: Send + Sync + 'static {
    /// The root that the state belongs to.
    fn root(&self) -> &Root;
    /// All entries in key order, ended ones included.
    fn entries(&self) -> Box<dyn Iterator<Item = PageEntry<'_>> + Send + '_>;
    /// How many entries there are.
    fn keys(&self) -> u64;
    /// What of them a checkpoint that leaves out what had ended by a second would leave out.
    fn expired_by(&self, second: u64) -> Expired;
    /// The manifest that the root names, if memory happens to know what it says.
    fn manifest(&self) -> Option<Arc<Manifest>>;
    /// What could not be read of it.
    fn damage(&self) -> &[Damage];
}

/// The engine, as upkeep needs it.
#[async_trait]
pub(crate) trait Host: Send + Sync + 'static {
    /// The newest snapshot; `None` unless the data can be trusted (no root, no guess).
    fn snapshot(&self) -> Option<Arc<dyn View>>;

    /// Has the committer swap the root, amended, and answers the state at that root or a later one.
    ///
    /// # Errors
    /// [`AmendError`]; then the root does not have the change, unless the outcome is unknown.
    async fn amend(&self, amendment: Amendment) -> Result<Arc<dyn View>, AmendError>;

    /// Resolves when the root may have changed since the last call.
    async fn changed(&self);

    /// Takes note that this object is not what the root says of it, or not there. Either the root has moved on, or it is
    /// lost.
    fn doubt(&self, object: &ObjectName);
}
