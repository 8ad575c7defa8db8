//! One table of cases for every implementation of [`Kv`]: `run_all` over a [`Harness`]. A case says what it
//! expected and what it got, and every case has a KvNamespace of its own.

mod bulk;
mod conditions;
mod expirations;
mod keys;
mod lists;
mod values;

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Harness,
    case::{self, Failure, Outcome, equal, holds, verdict},
};
use crate::{
    DeleteOptions, Entry, Error, GetOptions, Key, Kv, Lookup, Metadata, Namespace, PutOptions, Reason, Value,
    Version,
};

/// One thing that every implementation does.
pub type Case = case::Case<Scene>;

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let parts = [values::cases(), keys::cases(), lists::cases(), conditions::cases(), expirations::cases()];
    parts.into_iter().flatten().chain(bulk::cases()).collect()
}

/// Runs all cases, one after the other.
///
/// # Errors
/// Every failed case, a line each: its name, what was expected and what came.
pub async fn run_all(harness: &Arc<dyn Harness>) -> Result<(), String> {
    run_where(harness, |_| true).await
}

/// Runs the cases whose name is wanted.
///
/// # Errors
/// As [`run_all`].
pub async fn run_where(harness: &Arc<dyn Harness>, wanted: impl Fn(&str) -> bool) -> Result<(), String> {
    let mut failed = Vec::new();
    for case in cases().into_iter().filter(|case| wanted(case.name)) {
        let scene =
            Scene { kv: harness.kv(), namespace: harness.fresh().await, harness: Arc::clone(harness) };
        case.play(scene, "", &mut failed).await;
    }
    verdict(&failed)
}

/// What a case works on.
pub struct Scene {
    harness: Arc<dyn Harness>,
    kv: Arc<dyn Kv>,
    namespace: Namespace,
}

impl Scene {
    async fn put(&self, key: &Key, value: impl Into<Value>) -> Result<Version, Error> {
        self.put_with(key, value, PutOptions::default()).await
    }

    async fn put_with(
        &self,
        key: &Key,
        value: impl Into<Value>,
        options: PutOptions,
    ) -> Result<Version, Error> {
        self.kv.put(&self.namespace, key, value.into(), &options).await.map(|answer| answer.body)
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        self.kv.delete(&self.namespace, key, &DeleteOptions::default()).await.map(|answer| answer.body)
    }

    async fn lookup(&self, key: &Key) -> Result<Lookup, Error> {
        self.kv.get(&self.namespace, key, &GetOptions::default()).await.map(|answer| answer.body)
    }

    async fn entry(&self, key: &Key) -> Result<Option<(Bytes, Entry)>, Failure> {
        match self.lookup(key).await? {
            Lookup::Absent => Ok(None),
            Lookup::Unchanged { .. } => {
                Err(Failure(format!("{key:?} is Unchanged, which was not asked for")))
            }
            Lookup::Found(Entry { value, metadata, expiration, version }) => {
                let bytes = value.into_bytes().await?;
                let value = bytes.clone().into();
                Ok(Some((bytes, Entry { value, metadata, expiration, version })))
            }
        }
    }

    async fn bytes(&self, key: &Key) -> Result<Option<Bytes>, Failure> {
        Ok(self.entry(key).await?.map(|(bytes, _)| bytes))
    }
}

fn refused<T>(what: &str, result: Result<T, Error>, reason: Reason, text: &str) -> Outcome {
    let Err(error) = result else {
        return Err(Failure(format!("{what}: expected {} ({text}), got success", reason.as_str())));
    };
    equal(what, (error.reason().as_str(), error.to_string()), (reason.as_str(), text.to_owned()))
}

fn key(name: &str) -> Result<Key, Failure> {
    Ok(Key::new(name)?)
}

fn metadata(text: &str) -> Result<Option<Metadata>, Failure> {
    Ok(Metadata::parse(text)?)
}
