//! Compares what memory has made of a root with what its committer says beside it (design §6). All replicas must come to
//! the same state by different ways, records one by one or whole pages; a fault in one of those ways shows here.

use crate::{
    follow::{
        advance::{Before, Loss},
        follower::Follower,
    },
    format::StateDigest,
    parts::loader::LoadError,
    state::snapshot::Snapshot,
    store::Object,
};

impl Follower {
    /// `loaded`, or, where it is not what the committer of its root had, what the store says of that root when everything is
    /// read anew, once.
    pub(super) async fn compare(
        &self,
        loaded: Snapshot,
        object: &Object,
        before: Before,
    ) -> Result<Snapshot, LoadError> {
        let Some(stated) = StateDigest::beside(&object.content).filter(|_| loaded.damage.is_empty()) else {
            return Ok(loaded);
        };
        if loaded.entries.digest() == stated {
            return Ok(loaded);
        }
        let (namespace, root) = (&self.space.namespace, (*loaded.root).clone());
        self.space.note_difference();
        let (held, version) = (loaded.entries.digest(), root.version);
        tracing::error!(%namespace, version, %held, %stated, "memory is not the state of the root; it is read anew");
        let anew = match self.advance(None, root, &object.meta, Loss::Fails, before).await {
            // Memory that may be wrong somewhere is worth more than a part that nobody can read.
            Err(error) if error.is_damage() => {
                tracing::error!(%namespace, version, %error, "a part of the data is lost; memory is kept");
                return Ok(loaded);
            }
            anew => anew?,
        };
        if anew.entries.digest() != stated {
            // The store is right by definition: the committer's memory was not.
            let held = anew.entries.digest();
            tracing::error!(%namespace, version, %held, %stated, "the committer of the root had another state than it");
        }
        Ok(anew)
    }
}
