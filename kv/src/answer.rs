//! What an operation answers: the thing itself, and the state at which it is true.

use std::time::Duration;

use crate::{Cursor, Expiration, Key, Metadata, UnixMillis, Value, Version};

/// The answer of an operation, with the state at which it is true.
#[derive(Debug)]
pub struct Answer<T> {
    /// The thing itself.
    pub body: T,
    /// When and for how long it is true.
    pub state: State,
}

impl<T> Answer<T> {
    /// The same state with another body.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { body: f(self.body), state: self.state }
    }
}

/// Which state of a KvNamespace an answer shows, and how current that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The state of the KvNamespace at which the answer is true (`Nearkv-Version`).
    pub version: Version,
    /// How long ago this was last known to be the newest state (`Age`, `Nearkv-Age`).
    pub age: Duration,
    /// The clock that judges expirations, at the moment of the answer (`Nearkv-Time`): the origin's, carried
    /// forward by caches in elapsed time, so that clocks may differ.
    pub time: UnixMillis,
    /// How long the answer may be used.
    pub freshness: Freshness,
    /// How the answer was come by.
    pub served: Served,
}

/// `Cache-Control` of an answer, computed by the origin from `spec.cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// How old the answer may become before it has to be checked. For an absence, the lower of
    /// `ttlSeconds` and `negativeTtlSeconds`.
    pub max_age: Duration,
    /// How long past `max_age` it may be served while the origin cannot be asked (RFC 5861 §4).
    pub stale_if_error: Duration,
}

/// How an answer was come by (`CF-Cache-Status`, `Cache-Status` of RFC 9211).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The cache's part in it.
    pub status: CacheStatus,
    /// Whether this request shared the fetch of another (RFC 9211 §2.7).
    pub collapsed: bool,
}

impl From<CacheStatus> for Served {
    fn from(status: CacheStatus) -> Self {
        Self { status, collapsed: false }
    }
}

/// The word in `CF-Cache-Status`, in logs and in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheStatus {
    /// From memory, fresh.
    Hit,
    /// Not in memory; from upstream. What an origin answers itself is a miss to every cache before it.
    Miss,
    /// In memory past its time; a new one came from upstream.
    Expired,
    /// In memory past its time, and upstream could not be asked in time.
    Stale,
    /// In memory past its time; upstream confirmed it.
    Revalidated,
    /// From memory, while a refresh goes on in the background.
    Updating,
}

impl CacheStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Hit, Self::Miss, Self::Expired, Self::Stale, Self::Revalidated, Self::Updating];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Expired => "EXPIRED",
            Self::Stale => "STALE",
            Self::Revalidated => "REVALIDATED",
            Self::Updating => "UPDATING",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// What a read of one key found.
#[derive(Debug)]
pub enum Lookup {
    /// The entry.
    Found(Entry),
    /// The entry still has the version the reader named in `if_none_match`; its value is not repeated.
    Unchanged {
        /// That version.
        version: Version,
        /// When the entry ends.
        expiration: Option<Expiration>,
    },
    /// There is no such entry.
    Absent,
}

/// A key's value and what belongs to it.
#[derive(Debug)]
pub struct Entry {
    /// The bytes.
    pub value: Value,
    /// The JSON value stored beside it.
    pub metadata: Option<Metadata>,
    /// When the entry ends.
    pub expiration: Option<Expiration>,
    /// The state this entry was written at: its entity tag.
    pub version: Version,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In ascending order of UTF-8 bytes.
    pub keys: Vec<Listed>,
    /// Where the next page starts; `None` on the last.
    pub cursor: Option<Cursor>,
}

/// A key on a page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub name: Key,
    /// When the entry ends.
    pub expiration: Option<Expiration>,
    /// The JSON value stored beside it.
    pub metadata: Option<Metadata>,
}
