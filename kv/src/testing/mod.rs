//! What every implementation of [`Kv`](crate::Kv) is tested with: the simplest possible one as a model, one that does as
//! a test says, and the conformance cases, over the trait and over raw sockets.

mod case;
pub mod conformance;
mod memory;
mod scripted;
pub mod wire;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use case::{Case, Failure, Outcome};
pub use memory::{ManualClock, Memory};
pub use scripted::Scripted;

use crate::{Key, Kv, Namespace, UnixMillis};

/// The implementation under test with its surroundings.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The implementation.
    fn kv(&self) -> Arc<dyn Kv>;

    /// A KvNamespace that exists, is loaded and empty, and is nobody else's.
    async fn fresh(&self) -> Namespace;

    /// The clock that judges expirations.
    fn now(&self) -> UnixMillis;

    /// Lets this much time pass for everything under test. `false` where time is real and cannot: the cases
    /// then check what does not need it.
    async fn advance(&self, by: Duration) -> bool;

    /// Makes the key, which holds an entry, one that the KvNamespace object declares. `false` where this
    /// harness has no such objects.
    async fn declare(&self, _namespace: &Namespace, _key: &Key) -> bool {
        false
    }
}
