//! The key of the cache: it names the request whose answer is cached, a get of one key or a list with its parameters.
//! Both are in one cache with one budget, and take the same way through freshness, fetches and floors.

use std::sync::Arc;

use nearkv::{Cursor, Key, ListOptions, Namespace, Prefix, limits::MAX_LIST_KEYS};

/// Names one cached answer. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CacheKey {
    /// A get of this key.
    Entry(Namespace, Key),
    /// A list with these parameters.
    List(Namespace, Arc<ListQuery>),
}

/// The parameters of a list that decide its content.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListQuery {
    pub(crate) prefix: Prefix,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<Cursor>,
}

impl CacheKey {
    pub(crate) fn entry(namespace: &Namespace, key: &Key) -> Self {
        Self::Entry(namespace.clone(), key.clone())
    }

    pub(crate) fn list(namespace: &Namespace, options: &ListOptions) -> Self {
        let query = ListQuery {
            prefix: options.prefix.clone(),
            limit: options.limit.unwrap_or(MAX_LIST_KEYS),
            cursor: options.cursor.clone(),
        };
        Self::List(namespace.clone(), Arc::new(query))
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        match self {
            Self::Entry(namespace, _) | Self::List(namespace, _) => namespace,
        }
    }

    /// Bytes of its texts.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Entry(namespace, key) => namespace.as_str().len() + key.as_str().len(),
            Self::List(namespace, query) => {
                let cursor = query.cursor.as_ref().map_or(0, |cursor| cursor.after.as_str().len());
                namespace.as_str().len() + query.prefix.as_str().len() + cursor
            }
        }
    }
}
