//! The upstream as a [`Kv`].

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use nearkv::{
    Answer, BulkOutcome, DeleteOptions, Entry, Error, GetOptions, Key, Kv, ListOptions, Listed, Lookup,
    Mutation, Namespace, Page, PutOptions, ReadOptions, Value, Version,
};

use super::{Upstream, script::Stored};

#[async_trait]
impl Kv for Upstream {
    async fn get(&self, _: &Namespace, key: &Key, options: &GetOptions) -> Result<Answer<Lookup>, Error> {
        self.set(|script| script.gets.push(options.clone()));
        self.arrive().await?;
        let (mut entries, state) = self.view(&options.read)?;
        self.depart().await;
        let body = match entries.remove(key) {
            None => Lookup::Absent,
            Some(stored) if options.if_none_match == Some(stored.version) => {
                Lookup::Unchanged { version: stored.version, expiration: stored.expiration }
            }
            Some(stored) => Lookup::Found(stored.into_entry()),
        };
        Ok(Answer { body, state })
    }

    async fn get_many(
        &self,
        _: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        self.arrive().await?;
        let (mut entries, state) = self.view(options)?;
        self.depart().await;
        let body = keys.iter().map(|key| entries.remove(key).map(Stored::into_entry)).collect();
        Ok(Answer { body, state })
    }

    async fn put(
        &self,
        _: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        let bytes = value.into_bytes().await?;
        self.arrive().await?;
        let (version, state) = self.write_through(key, Some(bytes), options)?;
        self.depart().await;
        Ok(Answer { body: version, state })
    }

    async fn delete(&self, _: &Namespace, key: &Key, _: &DeleteOptions) -> Result<Answer<()>, Error> {
        self.arrive().await?;
        let (_, state) = self.write_through(key, None, &PutOptions::default())?;
        self.depart().await;
        Ok(Answer { body: (), state })
    }

    async fn write_many(
        &self,
        _: &Namespace,
        mut mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        let mut outcome = BulkOutcome::default();
        let mut taken = Vec::new();
        while let Some(mutation) = mutations.next().await {
            taken.push(match mutation? {
                Mutation::Put { key, value, options } => (key, Some(value.into_bytes().await?), options),
                Mutation::Delete { key, options: _ } => (key, None, PutOptions::default()),
            });
        }
        self.arrive().await?;
        let mut state = self.view(&ReadOptions::default())?.1;
        for (key, bytes, options) in taken {
            outcome.mutations += 1;
            state = self.write_through(&key, bytes, &options)?.1;
        }
        self.depart().await;
        Ok(Answer { body: outcome, state })
    }

    async fn list(&self, _: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        self.set(|script| script.lists.push(options.clone()));
        self.arrive().await?;
        let (entries, state) = self.view(&options.read)?;
        self.depart().await;
        let keys = entries
            .into_iter()
            .filter(|(key, _)| options.prefix.covers(key))
            .map(|(name, stored)| Listed {
                name,
                expiration: stored.expiration,
                metadata: stored.options.metadata,
            })
            .collect();
        Ok(Answer { body: Page { keys, cursor: None }, state })
    }
}
