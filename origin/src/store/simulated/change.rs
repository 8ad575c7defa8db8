//! What happens to the objects of a world, as its observers and its watches hear of it.

use std::sync::Arc;

use crate::store::{Object, WatchEvent};

/// One change, as the store has made it.
#[derive(Clone, Debug)]
pub enum Change {
    /// An object was created or replaced.
    Applied(Arc<Object>),
    /// An object was deleted; its last state.
    Deleted(Arc<Object>),
}

impl Change {
    /// The object after the change, or before its deletion.
    #[must_use]
    pub fn object(&self) -> &Object {
        match self {
            Self::Applied(object) | Self::Deleted(object) => object,
        }
    }

    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Applied(_) => "applied",
            Self::Deleted(_) => "deleted",
        }
    }

    pub(super) fn event(&self) -> WatchEvent {
        match self {
            Self::Applied(object) => WatchEvent::Applied((**object).clone()),
            Self::Deleted(object) => WatchEvent::Deleted(object.meta.clone()),
        }
    }
}
