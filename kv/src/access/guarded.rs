//! The guard in front of a [`Kv`] and of [`Namespaces`]. It decides about the operation and the KvNamespace after the
//! server has parsed everything, so no spelling of a request gets around it.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};

use super::{Access, Caller, Guard, Permit, Verb, guard::uncheckable};
use crate::{
    Answer, BulkOutcome, DeleteOptions, Entry, Error, GetOptions, Key, Kv, ListOptions, Lookup, Mutation,
    Namespace, NamespaceId, NamespaceInfo, Namespaces, Page, PutOptions, ReadOptions, Value, Version,
};

/// A [`Kv`] behind a guard.
pub struct Guarded {
    kv: Arc<dyn Kv>,
    guard: Arc<Guard>,
}

impl Guarded {
    /// `kv` for the callers that `guard` permits.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, guard: Arc<Guard>) -> Self {
        Self { kv, guard }
    }

    async fn admit(&self, namespace: &Namespace, verb: Verb) -> Result<Permit, Error> {
        self.guard.admit(&Caller::current(), Access::values(namespace, verb)).await
    }

    /// The options to read with in place of the given ones: without a full permit, from the cache only.
    async fn admit_read(
        &self,
        namespace: &Namespace,
        verb: Verb,
        read: &ReadOptions,
    ) -> Result<Option<ReadOptions>, Error> {
        match self.admit(namespace, verb).await? {
            Permit::Full => Ok(None),
            Permit::CachedOnly if read.from_origin => Err(uncheckable()),
            Permit::CachedOnly => Ok(Some(ReadOptions { only_if_cached: true, ..read.clone() })),
        }
    }

    async fn admit_write(&self, namespace: &Namespace, verb: Verb) -> Result<(), Error> {
        match self.admit(namespace, verb).await? {
            Permit::Full => Ok(()),
            Permit::CachedOnly => Err(uncheckable()),
        }
    }
}

#[async_trait]
impl Kv for Guarded {
    async fn get(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &GetOptions,
    ) -> Result<Answer<Lookup>, Error> {
        match self.admit_read(namespace, Verb::Get, &options.read).await? {
            None => self.kv.get(namespace, key, options).await,
            Some(read) => self.kv.get(namespace, key, &GetOptions { read, ..options.clone() }).await,
        }
    }

    async fn get_many(
        &self,
        namespace: &Namespace,
        keys: &[Key],
        options: &ReadOptions,
    ) -> Result<Answer<Vec<Option<Entry>>>, Error> {
        let read = self.admit_read(namespace, Verb::Get, options).await?;
        self.kv.get_many(namespace, keys, read.as_ref().unwrap_or(options)).await
    }

    async fn put(
        &self,
        namespace: &Namespace,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        self.admit_write(namespace, Verb::Update).await?;
        self.kv.put(namespace, key, value, options).await
    }

    async fn delete(
        &self,
        namespace: &Namespace,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<Answer<()>, Error> {
        self.admit_write(namespace, Verb::Delete).await?;
        self.kv.delete(namespace, key, options).await
    }

    /// A caller that may neither write nor delete is refused before the stream is read. A caller that may do one of them
    /// is refused at the first mutation of the other kind. That ends the stream, and nothing is written.
    async fn write_many(
        &self,
        namespace: &Namespace,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        let updates = self.admit_write(namespace, Verb::Update).await;
        let deletes = self.admit_write(namespace, Verb::Delete).await;
        if let (Err(error), Err(_)) = (&updates, &deletes) {
            return Err(error.clone());
        }
        let judged = mutations.map(move |mutation| {
            let mutation = mutation?;
            let permitted = match &mutation {
                Mutation::Put { .. } => &updates,
                Mutation::Delete { .. } => &deletes,
            };
            permitted.clone().map(|()| mutation)
        });
        self.kv.write_many(namespace, judged.boxed()).await
    }

    async fn list(&self, namespace: &Namespace, options: &ListOptions) -> Result<Answer<Page>, Error> {
        match self.admit_read(namespace, Verb::List, &options.read).await? {
            None => self.kv.list(namespace, options).await,
            Some(read) => self.kv.list(namespace, &ListOptions { read, ..options.clone() }).await,
        }
    }
}

/// [`Namespaces`] behind a guard.
pub struct GuardedNamespaces {
    namespaces: Arc<dyn Namespaces>,
    guard: Arc<Guard>,
}

impl GuardedNamespaces {
    /// `namespaces` for the callers that `guard` permits.
    #[must_use]
    pub fn new(namespaces: Arc<dyn Namespaces>, guard: Arc<Guard>) -> Self {
        Self { namespaces, guard }
    }

    /// KvNamespaces are never managed from a cache, so a permit for cached reads is a refusal.
    async fn admit(&self, access: Access) -> Result<(), Error> {
        match self.guard.admit(&Caller::current(), access).await? {
            Permit::Full => Ok(()),
            Permit::CachedOnly => Err(uncheckable()),
        }
    }

    /// The KvNamespace with this id, for a caller that may do this with it. A caller that may not does not learn whether
    /// it exists.
    async fn admitted(
        &self,
        account: &str,
        id: NamespaceId,
        verb: Verb,
    ) -> Result<Option<NamespaceInfo>, Error> {
        self.admit(Access::Authenticated).await?;
        let found = Caller::Internal.scope(self.namespaces.find(account, id)).await?;
        let access = match &found {
            Some(info) => Access::namespace(&info.namespace, verb),
            None => Access::account(account, verb),
        };
        self.admit(access).await?;
        Ok(found)
    }
}

#[async_trait]
impl Namespaces for GuardedNamespaces {
    async fn accounts(&self) -> Result<Vec<String>, Error> {
        self.admit(Access::Accounts).await?;
        self.namespaces.accounts().await
    }

    async fn list(&self, account: &str) -> Result<Vec<NamespaceInfo>, Error> {
        self.admit(Access::account(account, Verb::List)).await?;
        self.namespaces.list(account).await
    }

    async fn find(&self, account: &str, id: NamespaceId) -> Result<Option<NamespaceInfo>, Error> {
        self.admitted(account, id, Verb::Get).await
    }

    async fn create(&self, account: &str, title: &str) -> Result<NamespaceInfo, Error> {
        self.admit(Access::account(account, Verb::Create)).await?;
        self.namespaces.create(account, title).await
    }

    async fn rename(&self, account: &str, id: NamespaceId, title: &str) -> Result<NamespaceInfo, Error> {
        let found = self.admitted(account, id, Verb::Update).await?;
        found.ok_or_else(|| Error::namespace_unknown(account, id))?;
        self.namespaces.rename(account, id, title).await
    }

    async fn delete(&self, account: &str, id: NamespaceId) -> Result<(), Error> {
        let found = self.admitted(account, id, Verb::Delete).await?;
        found.ok_or_else(|| Error::namespace_unknown(account, id))?;
        self.namespaces.delete(account, id).await
    }
}
