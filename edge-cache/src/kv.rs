//! The cache as a [`Kv`]: each operation becomes reads of cache keys, a read from the origin, or a write.

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use nearkv::{
    Answer, BulkOutcome, DeleteOptions, Entry, Error, GetOptions, Key, Kv, ListOptions, Lookup, Mutation,
    Namespace, Page, PutOptions, ReadOptions, State, Value, Version, limits::MAX_BULK_GET_BYTES,
};

use crate::{cache::EdgeCache, coherence::CacheKey, entry::Body, metrics::Operation, settings::BULK_FETCHES};

#[async_trait]
impl<K: Kv> Kv for EdgeCache<K> {
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        if options.read.from_origin {
            return self.shared.get_from_origin(namespace, key, options).await;
        }
        let reading = self.shared.read(CacheKey::entry(namespace, key), &options.read).await;
        let reading = self.shared.count_read(Operation::Get, reading)?;
        let body = match &reading.cached.body {
            Body::Found(found) if options.if_none_match == Some(found.version) => {
                Lookup::Unchanged { version: found.version, expiration: found.expiration }
            }
            Body::Found(found) => Lookup::Found(found.to_entry()),
            Body::Absent | Body::Page(..) => Lookup::Absent,
        };
        Ok(Answer { body, state: reading.state() })
    }

    /// Reads key by key, each as a get. So freshness, floors and the coalescing of fetches are the same for bulk gets, and
    /// a fetched entry serves single gets too.
    async fn get_many(
        &self,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        if options.from_origin {
            return self.shared.get_many_from_origin(namespace, keys, options).await;
        }
        let cache_keys: Vec<CacheKey> = keys.iter().map(|key| CacheKey::entry(namespace, key)).collect();
        let mut readings = stream::iter(cache_keys)
            .map(|cache_key| async move { self.shared.read(cache_key, options).await })
            .buffered(BULK_FETCHES);
        let (mut entries, mut combined, mut bytes) = (Vec::with_capacity(keys.len()), None::<State>, 0u64);
        while let Some(reading) = readings.next().await {
            let reading = self.shared.count_read(Operation::GetMany, reading)?;
            let own = reading.state();
            combined = Some(combined.map_or(own, |combined| combined.combine(own)));
            entries.push(match &reading.cached.body {
                Body::Found(found) => {
                    bytes += found.bytes.len() as u64;
                    Some(found.to_entry())
                }
                Body::Absent | Body::Page(..) => None,
            });
            if bytes > MAX_BULK_GET_BYTES {
                return Err(Error::total_too_large());
            }
        }
        let state = combined.ok_or_else(|| Error::key_count_invalid(keys.len()))?;
        Ok(Answer { body: entries, state })
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        self.shared.write_put(namespace, key, value, options).await
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        self.shared.write_delete(namespace, key, options).await
    }

    async fn write_many(
        &self,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        self.shared.write_many(namespace, mutations).await
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        if options.read.from_origin {
            return self.shared.list_from_origin(namespace, options).await;
        }
        let reading = self.shared.read(CacheKey::list(namespace, options), &options.read).await;
        let reading = self.shared.count_read(Operation::List, reading)?;
        Ok(Answer { body: reading.unexpired_page(), state: reading.state() })
    }
}
