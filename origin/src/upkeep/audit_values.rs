//! Looks after long values: a chunk that is gone or altered is told with its key, and made again where this replica still
//! has it in its cache of chunks. A key whose value is lost can be written or deleted like any other.

use std::sync::Arc;

use bytes::Bytes;
use nearkv::Key;
use sha2::{Digest, Sha256};

use crate::{
    format::{CHUNK_BYTES, Chunks, Sha, StoredValue, chunk_bytes, chunk_name},
    state::{entries::Slot, snapshot::Snapshot},
    store::{Object, ObjectName, StoreError},
    upkeep::{UpkeepError, keeper::Keeper},
};

/// A chunk as it is and as it should be.
struct Found {
    name: ObjectName,
    stored: Option<Object>,
    bytes: Option<Bytes>,
}

/// What the bytes of a chunk are taken from.
type Pick<'a> = &'a dyn Fn(usize, &Found) -> Option<Bytes>;

impl Found {
    /// What the store has, if it may be right.
    fn kept(&self, length: usize) -> Option<&Bytes> {
        let stored = self.stored.as_ref().and_then(|object| chunk_bytes(&object.content).ok());
        stored.filter(|bytes| bytes.len() == length)
    }
}

impl Keeper {
    /// Has the values looked at whose chunks `is_there` misses.
    pub(super) fn doubt_values(&self, view: &Snapshot, is_there: impl Fn(&ObjectName) -> bool) {
        if view.entries.chunks() == 0 {
            return;
        }
        for slot in view.entries.iter() {
            let StoredValue::Chunked(Chunks { nonce, count, .. }) = &slot.put.value else { continue };
            let mut names = (0..*count).map(|index| chunk_name(&self.space.namespace, nonce, index));
            if names.any(|name| !is_there(&name)) {
                self.space.values.doubt(slot.put.key.clone());
            }
        }
    }

    /// Reads the doubted values, makes again what it can, and says what is lost.
    pub(super) async fn look_at_values(self: &Arc<Self>) -> Result<(), UpkeepError> {
        let doubted = self.space.values.take_doubted();
        if doubted.is_empty() {
            return Ok(());
        }
        // A key may have another value by now, and the chunks of the old one may be collected.
        let Ok(view) = self.follower.refresh().await else {
            doubted.into_iter().for_each(|key| self.space.values.doubt(key));
            return Ok(());
        };
        let mut outcome = Ok(());
        for key in doubted {
            let Some(slot) = view.entries.get(&key) else { continue };
            if let Err(error) = self.look_at_value(slot).await {
                self.space.values.doubt(key);
                outcome = Err(error);
            }
        }
        if let Some(view) = self.space.view()
            && self.space.is_sound()
        {
            self.space.assess(&view);
        }
        outcome
    }

    async fn look_at_value(&self, slot: &Slot) -> Result<(), UpkeepError> {
        let StoredValue::Chunked(chunks) = &slot.put.value else { return Ok(()) };
        let key = &slot.put.key;
        let mut found = Vec::new();
        for index in 0..chunks.count {
            let name = chunk_name(&self.space.namespace, &chunks.nonce, index);
            let stored =
                self.space.context.store.get(&name).await.map_err(|source| self.failed("read", source))?;
            found.push(Found { name, stored, bytes: None });
        }
        if !self.fill(&mut found, chunks) {
            let detail = lost(key, &found, chunks);
            tracing::error!(namespace = %self.space.namespace, %detail, "a value is lost");
            self.space.values.lose(key, &chunks.nonce, detail);
            return Ok(());
        }
        for (index, found) in found.into_iter().enumerate() {
            if found.kept(length(chunks, index)) != found.bytes.as_ref()
                && let Some(bytes) = found.bytes
            {
                self.put_back(&chunks.nonce, index as u32, bytes, found.stored).await?;
            }
        }
        self.space.values.find(key);
        Ok(())
    }

    /// Finds the bytes that are the value: as stored; with the cache where nothing fitting is stored; with the cache wherever
    /// it has something.
    fn fill(&self, found: &mut [Found], chunks: &Chunks) -> bool {
        let cached = |found: &Found| self.space.context.chunks.get(&found.name);
        let stored = |index: usize, found: &Found| found.kept(length(chunks, index)).cloned();
        let sources: [Pick<'_>; 3] =
            [&stored, &|index, found| stored(index, found).or_else(|| cached(found)), &|index, found| {
                cached(found).or_else(|| stored(index, found))
            }];
        sources.iter().any(|source| {
            let bytes: Vec<_> = found.iter().enumerate().map(|(index, found)| source(index, found)).collect();
            let is_whole = is_value(&bytes, chunks);
            found.iter_mut().zip(bytes).for_each(|(found, bytes)| found.bytes = bytes);
            is_whole
        })
    }

    /// Makes a chunk again under its name, in the place of what is there.
    async fn put_back(
        &self,
        nonce: &str,
        index: u32,
        bytes: Bytes,
        stored: Option<Object>,
    ) -> Result<(), UpkeepError> {
        let part_writer = self.space.relief_writer();
        let draft = part_writer.drafter.chunk(nonce, index, bytes);
        tracing::warn!(namespace = %self.space.namespace, chunk = %draft.name, "a chunk was lost; it is made again from the cache");
        if let Some(Object { meta, .. }) = stored {
            match self.space.context.store.delete(&meta.name, &meta.id).await {
                Ok(()) | Err(StoreError::Missing(_)) => {}
                Err(source) => return Err(self.failed("delete", source)),
            }
        }
        Ok(part_writer.create(vec![draft]).await?)
    }

    fn failed(&self, action: &'static str, source: StoreError) -> UpkeepError {
        UpkeepError::Store { action, namespace: self.space.namespace.clone(), source }
    }
}

/// How long a chunk of the value is.
fn length(chunks: &Chunks, index: usize) -> usize {
    chunks.size.saturating_sub(index as u64 * CHUNK_BYTES as u64).min(CHUNK_BYTES as u64) as usize
}

/// Whether these chunks are the value.
fn is_value(bytes: &[Option<Bytes>], chunks: &Chunks) -> bool {
    let mut hasher = Sha256::new();
    bytes.iter().flatten().for_each(|bytes| hasher.update(bytes));
    bytes.iter().all(Option::is_some) && Sha::finish(hasher) == chunks.sha256
}

/// What is wrong with a value, and what to do about it.
fn lost(key: &Key, found: &[Found], chunks: &Chunks) -> String {
    let bad = found.iter().enumerate().find(|(index, found)| found.kept(length(chunks, *index)).is_none());
    let what = match bad {
        Some((_, Found { name, stored: None, .. })) => format!("{name} is missing"),
        Some((_, Found { name, .. })) => format!("{name} is damaged"),
        None => "one of its chunks was altered".to_owned(),
    };
    format!("the value of key {:?} is lost: {what}; put the key again, or delete it", key.as_str())
}
