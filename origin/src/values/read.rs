//! A long value on its way out: chunk after chunk, through a bounded cache, the whole checked by its digest
//! before the last chunk is given away, so that a damaged value never arrives as if it were whole.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use moka::sync::Cache;
use nearkv::{Error, Namespace, Reason, Value};
use sha2::{Digest, Sha256};

use crate::{
    format::{CHUNK_BYTES, Chunks, Sha, chunk_bytes, chunk_name},
    store::{ObjectName, ObjectStore},
};

/// Bytes of chunks kept in memory for all KvNamespaces: two values of the largest size and some.
pub(crate) const CHUNK_CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// Chunks fetched ahead of the reader.
const AHEAD: usize = 2;

/// Chunks lately read. A chunk never changes, so nothing here is ever stale.
#[derive(Clone)]
pub(crate) struct ChunkCache(Cache<ObjectName, Bytes>);

impl ChunkCache {
    /// Holds at most `bytes`.
    #[must_use]
    pub(crate) fn new(bytes: u64) -> Self {
        let weight = |name: &ObjectName, chunk: &Bytes| {
            u32::try_from(name.folder.len() + name.name.len() + chunk.len()).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(bytes).weigher(weight).build())
    }

    /// A chunk, if it was read lately.
    pub(crate) fn get(&self, name: &ObjectName) -> Option<Bytes> {
        self.0.get(name)
    }
}

/// The value that `chunks` name, as a stream. It ends with an error if a chunk is missing or the digest is wrong;
/// the server then aborts the connection.
#[must_use]
pub(crate) fn read(
    store: &Arc<dyn ObjectStore>,
    cache: &ChunkCache,
    namespace: &Namespace,
    chunks: &Chunks,
) -> Value {
    let Chunks { nonce, count, size, sha256 } = chunks.clone();
    let (store, cache, namespace) = (Arc::clone(store), cache.clone(), namespace.clone());
    let (altered, of, of_nonce) = (cache.clone(), namespace.clone(), nonce.clone());
    let fetch = move |index: u32| {
        let (store, cache) = (Arc::clone(&store), cache.clone());
        let name = chunk_name(&namespace, &nonce, index);
        async move {
            let expected = size.saturating_sub(u64::from(index) * CHUNK_BYTES as u64).min(CHUNK_BYTES as u64);
            let chunk = fetch(&*store, &cache, &name).await?;
            let whole = chunk.len() as u64 == expected;
            if whole { Ok((index + 1 == count, chunk)) } else { Err(damaged(&name)) }
        }
    };
    let check = move |hasher: &mut Sha256, fetched: Result<(bool, Bytes), Error>| {
        let checked = fetched.and_then(|(last, chunk)| {
            hasher.update(&chunk);
            let right = !last || Sha::finish(hasher.clone()) == sha256;
            if right {
                return Ok(chunk);
            }
            // Whatever was altered must not be kept past the moment at which it is put back.
            (0..count).for_each(|index| altered.0.invalidate(&chunk_name(&of, &of_nonce, index)));
            Err(Error::new(Reason::NamespaceDamaged, "The value is damaged"))
        });
        std::future::ready(Some(checked))
    };
    let chunks = stream::iter(0..count).map(fetch).buffered(AHEAD).scan(Sha256::new(), check).boxed();
    Value::Stream { length: Some(size), chunks }
}

async fn fetch(store: &dyn ObjectStore, cache: &ChunkCache, name: &ObjectName) -> Result<Bytes, Error> {
    if let Some(chunk) = cache.0.get(name) {
        return Ok(chunk);
    }
    let object = store.get(name).await.map_err(|error| {
        Error::new(Reason::Unavailable, format!("Failed to read the chunk {name} of the value"))
            .with_source(error)
    })?;
    let Some(object) = object else {
        // Replaced or deleted while it was read, and collected since; or lost. A fresh read tells.
        return Err(Error::new(Reason::Unavailable, format!("The chunk {name} of the value is gone")));
    };
    let chunk = chunk_bytes(&object.content).map_err(|error| damaged(name).with_source(error))?;
    cache.0.insert(name.clone(), chunk.clone());
    Ok(chunk.clone())
}

fn damaged(name: &ObjectName) -> Error {
    Error::new(Reason::NamespaceDamaged, format!("The chunk {name} of the value is damaged"))
}
