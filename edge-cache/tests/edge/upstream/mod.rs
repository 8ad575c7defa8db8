//! An upstream that does as the test says: it counts and remembers requests, and can travel slowly, lag, refuse, fall
//! silent, answer stale, lose an acknowledgement, or be restored from a backup. Here is what a request meets on its way.

mod kv;
mod script;

use std::{cmp::Ordering, sync::Arc};

use nearkv::{
    Error, Key, PutOptions, ReadOptions, Reason, State, UnixMillis, Version, limits::MIN_EXPIRATION_TTL,
};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use self::script::{Entries, Script};
pub(crate) use self::script::{Mood, Writes};

/// The origin's clock at the start of a test.
pub(crate) const START: UnixMillis = UnixMillis(1_700_000_000_000);

#[derive(Clone)]
pub(crate) struct Upstream {
    script: Arc<Mutex<Script>>,
    born: Instant,
}

impl Upstream {
    pub(crate) fn new() -> Self {
        Self { script: Arc::new(Mutex::new(Script::new())), born: Instant::now() }
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
        script.restore(seed);
        script.newest()
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
        let mut entries = script.entries(version).clone();
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
