//! [`Scripted`]: answers as a test says, where [`Memory`](super::Memory) answers as the contract does: for answers that
//! no sound `Kv` would give, and to see what was asked.

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::{
    Answer, BulkOutcome, DeleteOptions, Entry, Error, GetOptions, Key, Kv, ListOptions, Lookup, Mutation,
    Namespace, Page, PutOptions, ReadOptions, Reason, Value, Version,
};

/// What answers a call about one key.
type OfKey<Options, T> = dyn Fn(&Namespace, &Key, &Options) -> Result<Answer<T>, Error> + Send + Sync;
/// What answers a list.
type OfKeys = dyn Fn(&Namespace, &ListOptions) -> Result<Answer<Page>, Error> + Send + Sync;

/// A [`Kv`] made of functions. What there is none for is refused as `internal` (500).
#[derive(Default)]
pub struct Scripted {
    get: Option<Box<OfKey<GetOptions, Lookup>>>,
    put: Option<Box<OfKey<PutOptions, Version>>>,
    delete: Option<Box<OfKey<DeleteOptions, ()>>>,
    list: Option<Box<OfKeys>>,
}

impl Scripted {
    /// Answers a get.
    #[must_use]
    pub fn on_get<F>(self, answer: F) -> Self
    where
        F: Fn(&Namespace, &Key, &GetOptions) -> Result<Answer<Lookup>, Error> + Send + Sync + 'static,
    {
        Self { get: Some(Box::new(answer)), ..self }
    }

    /// Answers a put. The value is not looked at.
    #[must_use]
    pub fn on_put<F>(self, answer: F) -> Self
    where
        F: Fn(&Namespace, &Key, &PutOptions) -> Result<Answer<Version>, Error> + Send + Sync + 'static,
    {
        Self { put: Some(Box::new(answer)), ..self }
    }

    /// Answers a delete.
    #[must_use]
    pub fn on_delete<F>(self, answer: F) -> Self
    where
        F: Fn(&Namespace, &Key, &DeleteOptions) -> Result<Answer<()>, Error> + Send + Sync + 'static,
    {
        Self { delete: Some(Box::new(answer)), ..self }
    }

    /// Answers a list.
    #[must_use]
    pub fn on_list<F>(self, answer: F) -> Self
    where
        F: Fn(&Namespace, &ListOptions) -> Result<Answer<Page>, Error> + Send + Sync + 'static,
    {
        Self { list: Some(Box::new(answer)), ..self }
    }
}

fn unscripted(call: &str) -> Error {
    Error::new(Reason::Internal, format!("The script has no {call}"))
}

#[async_trait]
impl Kv for Scripted {
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        self.get.as_ref().ok_or_else(|| unscripted("get"))?(namespace, key, options)
    }

    async fn get_many(
        &self,
        _: &Namespace,
        _: &[Key],
        _: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        Err(unscripted("bulk get"))
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        _: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        self.put.as_ref().ok_or_else(|| unscripted("put"))?(namespace, key, options)
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        self.delete.as_ref().ok_or_else(|| unscripted("delete"))?(namespace, key, options)
    }

    async fn write_many(
        &self,
        _: &Namespace,
        _: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        Err(unscripted("bulk write"))
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        self.list.as_ref().ok_or_else(|| unscripted("list"))?(namespace, options)
    }
}
