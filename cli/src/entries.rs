//! Reading many entries: the keys of a list, and the values of keys, in their order and several at a time.

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use nearkv::http::Client;
use nearkv::{
    Answer, Expiration, GetOptions, Key, Kv, ListOptions, Lookup, Metadata, Namespace, Prefix, ReadOptions,
    Version,
};

use crate::commands::named;
use crate::failure::Failure;

/// Reads in flight. As many values may be in memory.
const CONCURRENCY: usize = 8;

/// An entry, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The value's bytes.
    pub value: Bytes,
    /// When the entry ends.
    pub expiration: Option<Expiration>,
    /// The JSON value beside it.
    pub metadata: Option<Metadata>,
}

/// Every key with the prefix, in the order of lists, as the origin knows them.
#[must_use]
pub fn keys(
    client: Client,
    namespace: Namespace,
    prefix: Prefix,
) -> BoxStream<'static, Result<Key, Failure>> {
    let read = ReadOptions { from_origin: true, ..ReadOptions::default() };
    let first = ListOptions { prefix, read, ..ListOptions::default() };
    stream::try_unfold(Some(first), move |next| {
        let (client, namespace) = (client.clone(), namespace.clone());
        async move {
            let Some(mut options) = next else { return Ok(None) };
            let answer = client.list(&namespace, &options).await;
            let page = answer.map_err(|error| Failure::server(&format!("list {namespace}"), &error))?.body;
            options.cursor = page.cursor;
            let next = options.cursor.is_some().then_some(options);
            let names = page.keys.into_iter().map(|listed| Ok(listed.name));
            Ok::<_, Failure>(Some((stream::iter(names), next)))
        }
    })
    .try_flatten()
    .boxed()
}

/// What the origin has under each key, in the order of the keys; in a state at least as new as `since`.
#[must_use]
pub fn read(
    client: Client,
    namespace: Namespace,
    keys: BoxStream<'static, Result<Key, Failure>>,
    since: Option<Version>,
) -> BoxStream<'static, Result<(Key, Option<Stored>), Failure>> {
    let read = ReadOptions { from_origin: true, min_version: since, ..ReadOptions::default() };
    let options = GetOptions { read, if_none_match: None };
    keys.map(move |key| {
        let (client, namespace, options) = (client.clone(), namespace.clone(), options.clone());
        async move {
            let key = key?;
            let stored = read_one(&client, &namespace, &key, &options).await;
            let failed = |error| Failure::server(&format!("get {}", named(&key, &namespace)), &error);
            Ok((key.clone(), stored.map_err(failed)?))
        }
    })
    .buffered(CONCURRENCY)
    .boxed()
}

async fn read_one(
    client: &Client,
    namespace: &Namespace,
    key: &Key,
    options: &GetOptions,
) -> Result<Option<Stored>, nearkv::Error> {
    let Answer { body, state: _ } = client.get(namespace, key, options).await?;
    let Lookup::Found(entry) = body else { return Ok(None) };
    let (expiration, metadata) = (entry.expiration, entry.metadata);
    Ok(Some(Stored { value: entry.value.into_bytes().await?, expiration, metadata }))
}
