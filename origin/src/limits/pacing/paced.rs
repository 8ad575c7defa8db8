//! [`Paced`]: an object store whose writes keep to the pace.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use nearkv::UnixMillis;
use tokio::time::timeout;

use crate::{
    limits::pacing::{ENVELOPE_BYTES, Lane, Pace},
    store::{
        Draft, Meta, Object, ObjectId, ObjectName, ObjectStore, Selector, StoreError, Token, WatchEvent,
        WatchScope,
    },
};

/// Whose an object is, for the fairness between KvNamespaces: the part of its name before the mark of ours.
pub(crate) fn whose(name: &ObjectName) -> Arc<str> {
    let own = name.name.rsplit_once(".kv").map_or(&*name.name, |(own, _)| own);
    format!("{}/{own}", name.folder).into()
}

/// A store whose writes keep to a pace.
pub(crate) struct Paced {
    store: Arc<dyn ObjectStore>,
    pace: Arc<Pace>,
    lane: Lane,
    /// A write that would wait longer is throttled; `None` where nobody waits for an answer.
    patience: Option<Duration>,
}

impl Paced {
    /// `store` with the writes of one lane paced.
    #[must_use]
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        pace: Arc<Pace>,
        lane: Lane,
        patience: Option<Duration>,
    ) -> Arc<Self> {
        Arc::new(Self { store, pace, lane, patience })
    }

    /// Waits for a turn, as long as there is patience.
    async fn admit(&self, name: &ObjectName, bytes: u64) -> Result<(), StoreError> {
        let mut turn = self.pace.turn(self.lane, whose(name), bytes);
        if let Some(patience) = self.patience {
            let came = turn.delay() <= patience && timeout(patience, turn.come()).await.is_ok();
            if !came {
                return Err(StoreError::Throttled { retry_after: Some(turn.delay().max(patience)) });
            }
        } else {
            turn.come().await;
        }
        turn.spend(bytes);
        Ok(())
    }
}

#[async_trait]
impl ObjectStore for Paced {
    async fn get(&self, name: &ObjectName) -> Result<Option<Object>, StoreError> {
        self.store.get(name).await
    }

    async fn list(&self, selector: &Selector) -> Result<Vec<Meta>, StoreError> {
        self.store.list(selector).await
    }

    async fn create(&self, draft: &Draft) -> Result<Meta, StoreError> {
        self.admit(&draft.name, draft.content.size() + ENVELOPE_BYTES).await?;
        self.store.create(draft).await
    }

    async fn replace(&self, draft: &Draft, expected: &Token) -> Result<Meta, StoreError> {
        self.admit(&draft.name, draft.content.size() + ENVELOPE_BYTES).await?;
        self.store.replace(draft, expected).await
    }

    async fn delete(&self, name: &ObjectName, id: &ObjectId) -> Result<(), StoreError> {
        self.admit(name, ENVELOPE_BYTES).await?;
        self.store.delete(name, id).await
    }

    fn watch(&self, selector: &Selector) -> BoxStream<'static, WatchEvent> {
        self.store.watch(selector)
    }

    fn scopes(&self) -> Vec<WatchScope> {
        self.store.scopes()
    }

    fn time(&self) -> Option<UnixMillis> {
        self.store.time()
    }
}
