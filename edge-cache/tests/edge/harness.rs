//! An edge in front of an upstream that does as the test says, in the words of the tests.

use std::time::Duration;

use nearkv::{
    CacheStatus, Condition, DeleteOptions, Error, ExpirationRequest, GetOptions, Key, Kv, ListOptions,
    Lookup, Namespace, Prefix, PutOptions, State, Value, Version,
};
use nearkv_edge_cache::{EdgeCache, Settings};
use tokio::{task::JoinHandle, time::Instant};

use crate::upstream::Upstream;

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Lets virtual time pass, and what is due happen.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    settle().await;
}

/// Lets everything run that can run at this moment.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

pub(crate) fn namespace() -> Namespace {
    "team-a/settings".parse().unwrap()
}

pub(crate) fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

/// What a read gave.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) value: Option<String>,
    pub(crate) state: State,
    pub(crate) took: Duration,
}

impl Got {
    pub(crate) fn status(&self) -> CacheStatus {
        self.state.served.status
    }

    /// Value (`-` for none) and status, as one word to compare.
    pub(crate) fn says(&self) -> String {
        format!("{} {}", self.value.as_deref().unwrap_or("-"), self.status().as_str())
    }
}

#[derive(Clone)]
pub(crate) struct Edge<K = Upstream>(pub(crate) EdgeCache<K>);

impl<K: Kv> Edge<K> {
    pub(crate) fn over(upstream: K) -> Self {
        Self(EdgeCache::new(upstream, &Settings::default()))
    }

    pub(crate) async fn try_get(&self, name: &str, options: &GetOptions) -> Result<Got, Error> {
        let start = Instant::now();
        let answer = self.0.get(&namespace(), &key(name), options).await?;
        let value = match answer.body {
            Lookup::Found(entry) => Some(text(entry.value.into_bytes().await.unwrap())),
            Lookup::Unchanged { version, .. } => Some(format!("unchanged {}", version.number)),
            Lookup::Absent => None,
        };
        Ok(Got { value, state: answer.state, took: start.elapsed() })
    }

    pub(crate) async fn get(&self, name: &str) -> Got {
        self.try_get(name, &GetOptions::default()).await.unwrap()
    }

    pub(crate) async fn get_ttl(&self, name: &str, ttl: Duration) -> Got {
        let mut options = GetOptions::default();
        options.read.cache_ttl = Some(ttl);
        self.try_get(name, &options).await.unwrap()
    }

    pub(crate) async fn get_at_least(&self, name: &str, version: Version) -> Result<Got, Error> {
        let mut options = GetOptions::default();
        options.read.min_version = Some(version);
        self.try_get(name, &options).await
    }

    pub(crate) async fn refused(&self, name: &str) -> (Error, Duration) {
        let start = Instant::now();
        let error = self.try_get(name, &GetOptions::default()).await.unwrap_err();
        (error, start.elapsed())
    }

    /// A read that goes on beside the test.
    pub(crate) fn reading(&self, name: &'static str) -> JoinHandle<Got> {
        let edge = Self(self.0.clone());
        tokio::spawn(async move { edge.get(name).await })
    }

    pub(crate) async fn put(&self, name: &str, value: impl Into<Value>) -> Result<Version, Error> {
        self.put_with(name, value, PutOptions::default()).await
    }

    pub(crate) async fn put_with(
        &self,
        name: &str,
        value: impl Into<Value>,
        options: PutOptions,
    ) -> Result<Version, Error> {
        let answer = self.0.put(&namespace(), &key(name), value.into(), &options).await?;
        Ok(answer.body)
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), Error> {
        self.0.delete(&namespace(), &key(name), &DeleteOptions::default()).await.map(|answer| answer.body)
    }

    pub(crate) async fn list(&self, prefix: &str) -> (Vec<String>, CacheStatus) {
        let options = ListOptions { prefix: Prefix::new(prefix).unwrap(), ..ListOptions::default() };
        let answer = self.0.list(&namespace(), &options).await.unwrap();
        let names = answer.body.keys.iter().map(|item| item.name.to_string()).collect();
        (names, answer.state.served.status)
    }
}

pub(crate) fn text(bytes: bytes::Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn expiring(request: ExpirationRequest) -> PutOptions {
    PutOptions { expiration: Some(request), ..PutOptions::default() }
}

pub(crate) fn only_if(condition: Condition) -> PutOptions {
    PutOptions { condition: Some(condition), ..PutOptions::default() }
}
