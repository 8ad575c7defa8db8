//! Long values that cannot be read whole: those that a read has met and the audit still has to look at, and those that it
//! has found lost. Only their own keys are concerned, and a write to such a key makes it whole again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::TryStreamExt;
use nearkv::{Key, Value};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    format::StoredValue,
    state::entries::{Entries, Slot},
};

/// What is known of a KvNamespace's values.
#[derive(Default)]
pub(crate) struct LostValues {
    state: Mutex<State>,
    /// A read has met something to look at.
    pub(crate) doubted: Notify,
}

#[derive(Default)]
struct State {
    doubted: BTreeSet<Key>,
    lost: BTreeMap<Key, Lost>,
}

struct Lost {
    /// Which value of the key: that of the chunks with this nonce.
    nonce: String,
    detail: String,
}

impl LostValues {
    /// The value, whose key is looked at by the audit if it breaks off.
    pub(crate) fn doubting(self: &Arc<Self>, key: &Key, value: Value) -> Value {
        match value {
            Value::Bytes(bytes) => Value::Bytes(bytes),
            Value::Stream { length, chunks } => {
                let (values, key) = (Arc::clone(self), key.clone());
                let doubt = move |_: &nearkv::Error| {
                    values.doubt(key.clone());
                    values.doubted.notify_one();
                };
                Value::Stream { length, chunks: Box::pin(chunks.inspect_err(doubt)) }
            }
        }
    }

    /// Has the audit look at a key.
    pub(crate) fn doubt(&self, key: Key) {
        self.state.lock().doubted.insert(key);
    }

    /// The keys to look at: those that were doubted, and those whose value may have been put back.
    pub(crate) fn take_doubted(&self) -> BTreeSet<Key> {
        let mut state = self.state.lock();
        let mut doubted = std::mem::take(&mut state.doubted);
        doubted.extend(state.lost.keys().cloned());
        doubted
    }

    /// A value is lost.
    pub(crate) fn lose(&self, key: &Key, nonce: &str, detail: String) {
        self.state.lock().lost.insert(key.clone(), Lost { nonce: nonce.to_owned(), detail });
    }

    /// A value is whole.
    pub(crate) fn find(&self, key: &Key) {
        self.state.lock().lost.remove(key);
    }

    /// What is lost of an entry's value.
    pub(crate) fn of(&self, slot: &Slot) -> Option<String> {
        let StoredValue::Chunked(chunks) = &slot.put.value else { return None };
        let state = self.state.lock();
        state
            .lost
            .get(&slot.put.key)
            .filter(|lost| lost.nonce == chunks.nonce)
            .map(|lost| lost.detail.clone())
    }

    /// Forgets the values that are not among these entries any more; what is still lost, in words.
    pub(crate) fn among(&self, entries: &Entries) -> Vec<String> {
        let mut state = self.state.lock();
        state.lost.retain(|key, lost| {
            entries.get(key).is_some_and(
                |slot| matches!(&slot.put.value, StoredValue::Chunked(chunks) if chunks.nonce == lost.nonce),
            )
        });
        state.lost.values().map(|lost| lost.detail.clone()).collect()
    }
}
