//! Reads of a client: single keys, and lists page by page, of whatever state the replica has or of one that the
//! client asks for.

use nearkv::{Answer, Error, GetOptions, Kv, ListOptions, Lookup, ReadOptions, Reason, Version};
use tokio::time::Instant;

use crate::{
    client::Client,
    cluster::Replica,
    excuse::Excuse,
    judgement::{Start, ended},
    recency,
    value::number_of,
};

/// No list of a history has as many pages.
const MOST_PAGES: u64 = 1000;

impl Client {
    pub(crate) async fn get(&mut self, replica: &Replica) {
        let key = self.key();
        let start = self.begin(replica);
        let options = GetOptions { read: self.read_options(), ..GetOptions::default() };
        let wanted = options.read.min_version;
        let answer = self.answer(replica, replica.origin.get(&self.sim.namespace, &key, &options)).await;
        let Answer { body, state } = match answer {
            None => return,
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return self.unread(replica, &start, wanted, &error),
        };
        // Its age is that of this moment, before the value is read.
        let answered = Instant::now();
        let found = match body {
            Lookup::Found(entry) => {
                let version = entry.version;
                let bytes = match self.answer(replica, entry.value.into_bytes()).await {
                    None => return,
                    Some(Ok(bytes)) => bytes,
                    // A value whose chunks have gone meanwhile breaks off.
                    Some(Err(error)) => return self.broken_off(replica, &start, version, &error),
                };
                self.seen.push((key.clone(), version));
                Some((version, bytes))
            }
            Lookup::Absent => None,
            Lookup::Unchanged { .. } => {
                return self.sim.blame(format!("{key:?} is said to be unchanged, and no version was given"));
            }
        };
        self.sim.say(|| {
            let number = found.as_ref().map(|(_, bytes)| number_of(bytes));
            format!("  {} get {key}: {number:?} at {}", replica.name, state.version)
        });
        self.judge(replica, &start, &state, |ledger, life| {
            recency::reaches(wanted, &state)?;
            recency::age(life, &state, answered, &self.sim.plan)?;
            let there = life.at(state.version.number, &key).filter(|(_, put)| !ended(put, state.time));
            match (there, &found) {
                (None, None) => Ok(()),
                (Some((version, put)), Some((shown, bytes))) => {
                    if number_of(bytes)? != number_of(&ledger.value(&put.value)?)? || shown.number != version
                    {
                        return Err(format!(
                            "{key:?} is shown as of {shown}, and at {} it is of {version}",
                            state.version
                        ));
                    }
                    Ok(())
                }
                (there, _) => {
                    Err(format!("{key:?} at {} is {:?}, which was not shown", state.version, there.is_some()))
                }
            }
        });
    }

    pub(crate) async fn list(&mut self, replica: &Replica) {
        let limit = 1 + self.random.below((self.sim.plan.keys / 8).max(8)) as usize;
        let wanted = self.read_options().min_version;
        let read = ReadOptions { min_version: wanted, ..ReadOptions::default() };
        let mut options = ListOptions { limit: Some(limit), read, ..ListOptions::default() };
        for _ in 0..MOST_PAGES {
            let start = self.begin(replica);
            let answer = self.answer(replica, replica.origin.list(&self.sim.namespace, &options)).await;
            let Answer { body, state } = match answer {
                None => return,
                Some(Ok(answer)) => answer,
                Some(Err(error)) => return self.unread(replica, &start, wanted, &error),
            };
            let answered = Instant::now();
            let after = options.cursor.take().map(|cursor| cursor.after);
            self.judge(replica, &start, &state, |_, life| {
                recency::reaches(wanted, &state)?;
                recency::age(life, &state, answered, &self.sim.plan)?;
                let entries = life.state(state.version.number);
                let live = entries.iter().filter(|(_, (_, put))| !ended(put, state.time));
                let behind =
                    live.map(|(key, _)| key).filter(|key| after.as_ref().is_none_or(|after| *key > after));
                let wanted: Vec<_> = behind.take(options.limit.unwrap_or(1000)).collect();
                let shown: Vec<_> = body.keys.iter().map(|listed| &listed.name).collect();
                if wanted != shown {
                    return Err(format!(
                        "at {} there are {wanted:?}, and {shown:?} were listed",
                        state.version
                    ));
                }
                Ok(())
            });
            options.cursor = body.cursor;
            if options.cursor.is_none() {
                return;
            }
        }
        self.sim.blame(format!("{}: a list does not end", replica.name));
    }

    /// Now and then a reader asks for its own last write.
    fn read_options(&self) -> ReadOptions {
        let asks = self.random.below(3) == 0;
        ReadOptions { min_version: self.newest.filter(|_| asks), ..ReadOptions::default() }
    }

    /// A read that was refused.
    fn unread(&self, replica: &Replica, start: &Start, wanted: Option<Version>, error: &Error) {
        match (error.reason(), wanted) {
            (Reason::VersionNotReached, Some(wanted)) => {
                self.sim.check(|_| recency::out_of_reach(wanted, start));
                self.sim.excuse(Excuse::VersionGone);
            }
            (reason, _) => self.sim.judge_error(replica, reason),
        }
    }

    /// A value that broke off: its entry was overtaken and its chunks collected, or they were destroyed, or the store
    /// could not be read.
    fn broken_off(&self, replica: &Replica, start: &Start, version: Version, error: &Error) {
        let overtaken = {
            let ledger = self.sim.ledger.lock();
            let life = ledger.lives.get(&version.incarnation.to_string());
            let since = life.and_then(|life| life.superseded(version.number));
            since.is_some_and(|since| since.elapsed() >= self.sim.plan.grace)
        };
        if overtaken || !start.has_run(replica) {
            return self.sim.excuse(Excuse::Unreachable);
        }
        self.sim.judge_error(replica, error.reason());
    }
}
