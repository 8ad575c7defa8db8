//! The model as a [`Kv`].

use std::ops::Bound;

use async_trait::async_trait;
use futures::{TryStreamExt, stream::BoxStream};

use super::{Memory, Stored};
use crate::{
    Answer, BulkOutcome, Cursor, DeleteOptions, Entry, Error, GetOptions, Key, Kv, ListOptions, Listed,
    Lookup, Mutation, Namespace, Page, PutOptions, ReadOptions, Value, Version, limits::MAX_LIST_KEYS,
};

#[async_trait]
impl Kv for Memory {
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        self.with(namespace, |data, now| {
            data.reached(&options.read)?;
            let lookup = match data.present(key, now) {
                None => Lookup::Absent,
                Some(stored) if options.if_none_match == Some(stored.version) => {
                    Lookup::Unchanged { version: stored.version, expiration: stored.expiration }
                }
                Some(stored) => Lookup::Found(stored.entry()),
            };
            Ok(self.answer(lookup, data.version, now))
        })
    }

    async fn get_many(
        &self,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        self.with(namespace, |data, now| {
            data.reached(options)?;
            let entries = keys.iter().map(|key| data.present(key, now).map(Stored::entry)).collect();
            Ok(self.answer(entries, data.version, now))
        })
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        let value = value.into_bytes().await?;
        self.with(namespace, |data, now| {
            let PutOptions { expiration, metadata, condition } = options;
            let expiration = expiration.map(|asked| asked.resolve(now, data.minimum_ttl)).transpose()?;
            let version = data.admit(key, namespace, condition.as_ref(), now)?;
            data.version = version;
            let stored = Stored { value, metadata: metadata.clone(), expiration, version };
            data.entries.insert(key.clone(), stored);
            Ok(self.answer(version, version, now))
        })
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        self.with(namespace, |data, now| {
            let version = data.admit(key, namespace, options.condition.as_ref(), now)?;
            if data.entries.remove(key).is_some() {
                data.version = version;
            }
            Ok(self.answer((), data.version, now))
        })
    }

    async fn write_many(
        &self,
        namespace: &Namespace,
        mut mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        self.with(namespace, |_, _| Ok(()))?;
        let mut taken = Vec::new();
        while let Some(mutation) = mutations.try_next().await? {
            taken.push(match mutation {
                Mutation::Put { key, value, options } => {
                    (key, Some((value.into_bytes().await?, options.clone())), options.condition)
                }
                Mutation::Delete { key, options } => (key, None, options.condition),
            });
        }
        self.with(namespace, |data, now| {
            let mut next = data.clone();
            let mut outcome = BulkOutcome { mutations: taken.len() as u64, ..BulkOutcome::default() };
            for (key, put, condition) in taken {
                let version = next.admit(&key, namespace, condition.as_ref(), now)?;
                let Some((value, PutOptions { expiration, metadata, condition: _ })) = put else {
                    let removed = next.entries.remove(&key).is_some();
                    next.version = if removed { version } else { next.version };
                    outcome.removed += u64::from(removed);
                    continue;
                };
                let expiration = expiration.map(|asked| asked.resolve(now, next.minimum_ttl)).transpose()?;
                next.version = version;
                next.entries.insert(key, Stored { value, metadata, expiration, version });
                outcome.written += 1;
            }
            *data = next;
            Ok(self.answer(outcome, data.version, now))
        })
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        let ListOptions { prefix, limit, cursor, read } = options;
        self.with(namespace, |data, now| {
            data.reached(read)?;
            if cursor.as_ref().is_some_and(|cursor| cursor.incarnation != data.version.incarnation) {
                return Err(Error::cursor_invalid());
            }
            let start = match cursor {
                Some(cursor) if cursor.after.as_str() >= prefix.as_str() => {
                    Bound::Excluded(cursor.after.as_str())
                }
                _ => Bound::Included(prefix.as_str()),
            };
            let mut matching = data
                .entries
                .range::<str, _>((start, Bound::Unbounded))
                .take_while(|(key, _)| prefix.covers(key))
                .filter(|(_, stored)| stored.lives(now));
            let listed = |(key, stored): (&Key, &Stored)| Listed {
                name: key.clone(),
                expiration: stored.expiration,
                metadata: stored.metadata.clone(),
            };
            let limit = limit.unwrap_or(MAX_LIST_KEYS);
            let keys: Vec<_> = matching.by_ref().take(limit).map(listed).collect();
            let more = matching.next().is_some();
            let after = keys.last().filter(|_| more).map(|last| last.name.clone());
            let incarnation = data.version.incarnation;
            let page = Page { cursor: after.map(|after| Cursor { incarnation, after }), keys };
            Ok(self.answer(page, data.version, now))
        })
    }
}
