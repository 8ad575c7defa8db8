//! The origin as a [`Kv`].

use async_trait::async_trait;
use futures::stream::BoxStream;
use nearkv::{
    Answer, BulkOutcome, DeleteOptions, Entry, Error, GetOptions, Key, Kv, ListOptions, Lookup, Mutation,
    Namespace, Page, PutOptions, ReadOptions, Value, Version,
};

use crate::Origin;

#[async_trait]
impl Kv for Origin {
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        self.locate(namespace).await?.get(key, options).await
    }

    async fn get_many(
        &self,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        self.locate(namespace).await?.get_many(keys, options).await
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        self.locate(namespace).await?.committer.put(key, value, options).await
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        self.locate(namespace).await?.committer.delete(key, options).await
    }

    async fn write_many(
        &self,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        self.locate(namespace).await?.committer.bulk(mutations).await
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        self.locate(namespace).await?.list(options).await
    }
}
