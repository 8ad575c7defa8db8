//! The origin as a [`Kv`].

use async_trait::async_trait;
use nearkv::{
    Answer, DeleteOptions, Entry, Error, GetOptions, Key, Kv, ListOptions, Lookup, Namespace, Page,
    PutOptions, ReadOptions, Value, Version,
};

use super::Origin;

#[async_trait]
impl Kv for Origin {
    async fn get(
        &self,
        namespace: &Namespace,
        _key: &Key,
        _options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        Err(Error::namespace_loading(namespace))
    }

    async fn get_many(
        &self,
        namespace: &Namespace,
        _keys: &[Key],
        _options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        Err(Error::namespace_loading(namespace))
    }

    async fn put(
        &self,
        namespace: &Namespace,
        _key: &Key,
        _value: Value,
        _options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        Err(Error::namespace_loading(namespace))
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        _key: &Key,
        _options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        Err(Error::namespace_loading(namespace))
    }

    async fn list(&self, namespace: &Namespace, _options: &ListOptions) -> Result<Answer<Page>, Error> {
        Err(Error::namespace_loading(namespace))
    }
}
