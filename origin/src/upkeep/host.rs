//! What upkeep stands on: the states of a KvNamespace, and the committer that swaps its root.

use std::sync::Arc;

use async_trait::async_trait;
use nearkv::Key;

use crate::{
    commit::amendment::Amendment,
    format::{Manifest, Root},
    parts::pages::PageEntry,
    state::{damage::Damage, expired::Expired},
    store::ObjectName,
    upkeep::{AmendError, inventory::Listing},
};

/// One state of a KvNamespace, as upkeep needs it.
pub(crate) trait View: Send + Sync + 'static {
    /// The root that the state belongs to.
    fn root(&self) -> &Root;
    /// All entries in key order, ended ones included.
    fn entries(&self) -> Box<dyn Iterator<Item = PageEntry<'_>> + Send + '_>;
    /// Those of a key range: from a key on, and before another.
    fn between<'a>(
        &'a self,
        from: Option<&'a Key>,
        until: Option<&'a Key>,
    ) -> Box<dyn Iterator<Item = PageEntry<'a>> + Send + 'a>;
    /// How many entries there are.
    fn keys(&self) -> u64;
    /// How many chunks its long values have.
    fn chunks(&self) -> u64;
    /// What of them a checkpoint that leaves out what had ended by a second would leave out.
    fn expired_by(&self, second: u64) -> Expired;
    /// Whether there are entries that end some time.
    fn has_ending(&self) -> bool;
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

    /// Resolves when there may be a listing of the objects to take.
    async fn listed(&self);

    /// The newest listing of the objects, if it was not taken yet.
    fn listing(&self) -> Option<Arc<Listing>>;

    /// Takes note that this object is not what the root says of it, or not there. Either the root has moved on, or it is
    /// lost.
    fn doubt(&self, object: &ObjectName);
}
