//! An upstream that does as the test says: it counts and remembers requests, and can travel slowly, lag, refuse,
//! fall silent, answer stale, lose an acknowledgement, or be restored from a backup.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use nearkv::{
    Answer, BulkOutcome, CacheStatus, DeleteOptions, Entry, Error, Expiration, Freshness, GetOptions,
    Incarnation, Key, Kv, ListOptions, Listed, Lookup, Mutation, Namespace, Page, PutOptions, Random,
    ReadOptions, Reason, State, UnixMillis, Value, Version, limits::MIN_EXPIRATION_TTL,
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// The origin's clock at the start of a test.
pub(crate) const START: UnixMillis = UnixMillis(1_700_000_000_000);

/// What upstream does with requests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mood {
    Well,
    /// Every request fails at once with this reason; as unavailable, because no connection can be made.
    Failing(Reason),
    /// No request is ever answered.
    Silent,
    /// The code that asks has a fault.
    Panicking,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Writes {
    Acknowledged,
    /// Committed, and the acknowledgement is lost.
    LostAfterCommit,
    /// Not committed, and nobody can say so.
    LostBeforeCommit,
    Refused(Reason),
}

type Entries = BTreeMap<Key, Stored>;

#[derive(Clone, Debug)]
struct Stored {
    bytes: bytes::Bytes,
    options: PutOptions,
    expiration: Option<Expiration>,
    version: Version,
}

impl Stored {
    fn into_entry(self) -> Entry {
        let Self { bytes, options, expiration, version } = self;
        Entry { value: Value::Bytes(bytes), metadata: options.metadata, expiration, version }
    }
}

#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) mood: Mood,
    pub(crate) writes: Writes,
    /// Travel of a request, before its state is read.
    pub(crate) there: Duration,
    /// Travel of an answer.
    pub(crate) back: Duration,
    /// The age and status of answers.
    pub(crate) age: Duration,
    pub(crate) status: CacheStatus,
    pub(crate) freshness: Freshness,
    /// How far reads are behind, in states, unless a minimal version is asked for.
    pub(crate) lag: u64,
    /// All gets so far.
    pub(crate) gets: Vec<GetOptions>,
    /// All lists so far.
    pub(crate) lists: Vec<ListOptions>,
    incarnation: Incarnation,
    history: Vec<Entries>,
}

#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Mutex<Script>>,
    born: Instant,
}

impl Scripted {
    pub(crate) fn new() -> Self {
        let script = Script {
            mood: Mood::Well,
            writes: Writes::Acknowledged,
            there: Duration::ZERO,
            back: Duration::ZERO,
            age: Duration::ZERO,
            status: CacheStatus::Miss,
            freshness: Freshness {
                max_age: Duration::from_secs(60),
                stale_if_error: Duration::from_secs(3600),
            },
            lag: 0,
            gets: Vec::new(),
            lists: Vec::new(),
            incarnation: Incarnation::mint(&Random::seeded(1)),
            history: vec![BTreeMap::new()],
        };
        Self { script: Arc::new(Mutex::new(script)), born: Instant::now() }
    }

    /// Changes the script, or looks into it.
    pub(crate) fn set<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.lock())
    }

    pub(crate) fn gets(&self) -> usize {
        self.script.lock().gets.len()
    }

    pub(crate) fn lists(&self) -> usize {
        self.script.lock().lists.len()
    }

    /// Writes behind the edge's back.
    pub(crate) fn write(&self, key: &str, value: Option<&str>) -> Version {
        let value = value.map(|value| bytes::Bytes::copy_from_slice(value.as_bytes()));
        self.script.lock().commit(&Key::new(key).unwrap(), value, PutOptions::default(), None)
    }

    /// Replaces all data, as after a restore: another incarnation, from 0 on.
    pub(crate) fn restore(&self, seed: u64) -> Version {
        let mut script = self.script.lock();
        script.incarnation = Incarnation::mint(&Random::seeded(seed));
        script.history = vec![BTreeMap::new()];
        Version::new(script.incarnation, 0)
    }

    fn clock(&self) -> UnixMillis {
        START.plus(self.born.elapsed())
    }

    async fn arrive(&self) -> Result<(), Error> {
        let travel = self.script.lock().there;
        sleep(travel).await;
        let mood = self.script.lock().mood.clone();
        match mood {
            Mood::Well => Ok(()),
            // As the HTTP client says that no connection could be made.
            Mood::Failing(Reason::Unavailable) => Err(Error::new(Reason::Unavailable, "no connection")
                .with_source(std::io::Error::other("connection refused"))),
            Mood::Failing(reason) => Err(Error::new(reason, "as the script says")),
            Mood::Silent => std::future::pending().await,
            Mood::Panicking => panic!("as the script says"),
        }
    }

    async fn depart(&self) {
        let travel = self.script.lock().back;
        sleep(travel).await;
    }

    fn view(&self, read: &ReadOptions) -> Result<(Entries, State), Error> {
        let script = self.script.lock();
        let newest = script.newest();
        if let Some(wanted) = read.min_version
            && newest.partial_cmp(&wanted).is_none_or(Ordering::is_lt)
        {
            return Err(Error::version_not_reached(wanted, newest));
        }
        let lag = if read.min_version.is_some() { 0 } else { script.lag.min(newest.number) };
        let version = Version::new(newest.incarnation, newest.number - lag);
        let now = self.clock();
        let mut entries = script.history[version.number as usize].clone();
        entries.retain(|_, stored| !stored.expiration.is_some_and(|at| at.has_passed(now)));
        Ok((entries, self.state(&script, version)))
    }

    fn state(&self, script: &Script, version: Version) -> State {
        State {
            version,
            age: script.age,
            time: self.clock(),
            freshness: script.freshness,
            served: script.status.into(),
        }
    }

    fn write_through(
        &self,
        key: &Key,
        bytes: Option<bytes::Bytes>,
        options: &PutOptions,
    ) -> Result<(Version, State), Error> {
        let expiration =
            options.expiration.map(|at| at.resolve(self.clock(), MIN_EXPIRATION_TTL)).transpose()?;
        let mut script = self.script.lock();
        let unknown = || Error::new(Reason::OutcomeUnknown, "as the script says");
        match script.writes {
            Writes::Refused(reason) => return Err(Error::new(reason, "as the script says")),
            Writes::LostBeforeCommit => return Err(unknown()),
            Writes::Acknowledged | Writes::LostAfterCommit => {}
        }
        let version = script.commit(key, bytes, options.clone(), expiration);
        match script.writes {
            Writes::LostAfterCommit => Err(unknown()),
            _ => Ok((version, self.state(&script, version))),
        }
    }
}

impl Script {
    fn newest(&self) -> Version {
        Version::new(self.incarnation, self.history.len() as u64 - 1)
    }

    fn commit(
        &mut self,
        key: &Key,
        bytes: Option<bytes::Bytes>,
        options: PutOptions,
        expiration: Option<Expiration>,
    ) -> Version {
        let mut entries = self.history.last().unwrap().clone();
        let version = Version::new(self.incarnation, self.history.len() as u64);
        match bytes {
            Some(bytes) => entries.insert(key.clone(), Stored { bytes, options, expiration, version }),
            None => entries.remove(key),
        };
        self.history.push(entries);
        version
    }
}

#[async_trait]
impl Kv for Scripted {
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
