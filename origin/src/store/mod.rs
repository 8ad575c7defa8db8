//! [`ObjectStore`]: named objects with a version token, swapped by comparison. The origin's engine stands on
//! this trait alone and knows no Kubernetes; an object-storage bucket could implement it as well.
//!
//! Names are `folder/name`. In a cluster a folder is a Kubernetes namespace and an object a ConfigMap; in
//! development mode a sub-folder and a manifest; in tests a map with faults.

mod clock;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod directory;
mod error;
mod object;
mod rules;
mod server_time;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;

use async_trait::async_trait;
use futures::stream::BoxStream;
use nearkv::UnixMillis;

pub(crate) use clock::StoreClock;
pub use directory::{Directory, OpenError};
pub use error::StoreError;
pub use object::{Content, Draft, Meta, Object, ObjectId, ObjectName, Owner, Selector, Token, WatchScope};
pub use server_time::ServerTime;

/// A place for named objects. All methods may be called by many tasks and processes at once.
#[async_trait]
pub trait ObjectStore: Send + Sync + 'static {
    /// Reads an object. Consistent: it shows every write that was acknowledged before the call.
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError>;

    /// Names and versions of the objects that match, without their content. Consistent as [`ObjectStore::get`].
    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError>;

    /// Creates an object; [`StoreError::Exists`] if the name is taken.
    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError>;

    /// Replaces content, labels and owner of the object if its token is still `expected`, else
    /// [`StoreError::Conflict`]; [`StoreError::Missing`] if it is gone. A token is never used twice.
    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError>;

    /// Deletes the object if it is still the one with this identity, else [`StoreError::Conflict`];
    /// [`StoreError::Missing`] if there is none.
    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError>;

    /// Follows the objects of one scope ([`ObjectStore::scopes`]) that match: first a [`WatchEvent::Reset`] with all of them, then every change. The
    /// stream repairs itself (another `Reset`) and does not end. Changes come in their order. They may be late and repeated, several of one object may come as the last of them, and a newer state of
    /// an object is never followed by an older one for ever; but what is shown is never shown before what came earlier.
    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent>;

    /// The parts of the store that are watched one by one; together all that it serves, and never none.
    fn scopes(&self) -> Vec<WatchScope>;

    /// The store's own time now, as its answers have shown it; `None` where the store has no clock of its own or has not
    /// answered yet.
    fn time(&self) -> Option<UnixMillis>;
}

/// What a watch reports.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// All objects that match, as of now: whatever is not among them is gone.
    Reset(Vec<Object>),
    /// An object was created or replaced.
    Applied(Object),
    /// An object was deleted.
    Deleted(Meta),
    /// The watch is alive and has shown everything up to now (a bookmark).
    Current,
    /// The watch broke off; the implementation tries again. Nothing is known to be current until `Reset`.
    Broken,
}
