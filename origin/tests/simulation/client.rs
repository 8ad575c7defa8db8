//! The clients of a history: random operations on random replicas, each judged against the ledger the moment
//! it is answered (`judgement.rs`).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use nearkv::{
    Answer, DeleteOptions, Error, ExpirationRequest, GetOptions, Key, Kv, ListOptions, Lookup, Mutation,
    PutOptions, Random, Reason, Value, Version,
};
use nearkv_origin::format::Record;
use tokio::time::sleep;

use crate::{
    judgement::{ended, fresh, holds},
    plan::LARGEST_BULK,
    sim::{Replica, Sim},
    value::{number_of, value_of},
};

/// How a write ended for its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Acknowledged; with the entry's version, where the answer says it.
    Done(Option<Version>),
    /// Refused: nothing was written.
    Refused(Reason),
    /// The client cannot know.
    Unknown,
}

/// A write as its client saw it.
pub(crate) struct Written {
    pub(crate) number: u64,
    pub(crate) key: Key,
    pub(crate) ending: Ending,
}

/// One client: it lives through the whole history.
pub(crate) struct Client {
    pub(crate) sim: Arc<Sim>,
    pub(crate) random: Random,
    pub(crate) written: Vec<Written>,
    /// Versions it has seen, for conditions.
    pub(crate) seen: Vec<(Key, Version)>,
    /// The first of the keys that it writes and reads now: it goes through all of them.
    pub(crate) at: u64,
    /// Keys that it has put to delete them again soon.
    tokens: Vec<Key>,
}

impl Client {
    pub(crate) fn new(sim: Arc<Sim>, number: u64) -> Self {
        let random = Random::seeded(sim.plan.seed.wrapping_mul(31).wrapping_add(number));
        let at = random.below(sim.plan.keys);
        Self { sim, random, written: Vec::new(), seen: Vec::new(), at, tokens: Vec::new() }
    }

    /// Lives through its operations.
    pub(crate) async fn live(mut self) -> Vec<Written> {
        for _ in 0..self.sim.plan.operations {
            sleep(self.random.jitter(self.sim.plan.pause)).await;
            let slot = self.random.below(self.sim.plan.replicas as u64) as usize;
            let Some(replica) = self.sim.replica(slot) else { continue };
            self.at += 1;
            match self.random.below(100) {
                0..35 => self.put(&replica, self.key()).await,
                35..40 => {
                    let token = self.token();
                    self.tokens.push(token.clone());
                    self.put(&replica, token).await;
                }
                40..52 => self.delete(&replica).await,
                90.. => self.list(&replica).await,
                n if n < 52 + self.sim.plan.bulks => self.bulk(&replica).await,
                _ => self.get(&replica).await,
            }
        }
        self.written
    }

    async fn put(&mut self, replica: &Replica, key: Key) {
        let (length, number) = (self.length(), self.sim.number());
        let expiration =
            (self.random.below(6) == 0).then(|| ExpirationRequest::Ttl(1 + self.random.below(60) as i64));
        let condition = self.condition(&key);
        let options = PutOptions { expiration, metadata: None, condition: condition.clone() };
        let value = Value::Bytes(value_of(number, length).into());
        let start = self.begin(replica);
        self.sim.say(|| format!("  {} put {key} = {number} ({length}) {condition:?}?", replica.name));
        let answer =
            unless_dead(replica, replica.origin.put(&self.sim.namespace, &key, value, &options)).await;
        self.sim.say(|| format!("  {} put {key} = {number}: {}", replica.name, short(&answer)));
        let ending = match answer {
            None => Ending::Unknown,
            Some(Ok(Answer { body, state })) => {
                self.seen.push((key.clone(), body));
                self.judge(replica, &start, &state, |ledger, life| {
                    let Some(Record::Put(put)) = life.record(body.number) else {
                        return Err(format!(
                            "value {number} is acknowledged at {body} and not committed there"
                        ));
                    };
                    let there = number_of(&ledger.value(&put.value)?)?;
                    if (there, &put.key) != (number, &key) {
                        return Err(format!("value {number} is acknowledged at {body}, where {there} is"));
                    }
                    if body.number <= start.newest && start.incarnation == Some(body.incarnation.to_string())
                    {
                        return Err(format!("{body} was committed before it was asked for"));
                    }
                    let before = life.at(body.number - 1, &key);
                    holds(condition.as_ref(), before, body, self.sim.now(), start.time)
                });
                Ending::Done(Some(body))
            }
            Some(Err(error)) => self.refused(&start, &key, condition.as_ref(), &error),
        };
        self.written.push(Written { number, key, ending });
    }

    async fn delete(&mut self, replica: &Replica) {
        let token = self.random.below(2 * self.tokens.len().max(1) as u64) as usize;
        let key = if token < self.tokens.len() { self.tokens.swap_remove(token) } else { self.key() };
        let condition = self.condition(&key);
        let options = DeleteOptions { condition: condition.clone() };
        let start = self.begin(replica);
        let answer = unless_dead(replica, replica.origin.delete(&self.sim.namespace, &key, &options)).await;
        self.sim.say(|| format!("  {} delete {key} {condition:?}: {}", replica.name, short(&answer)));
        match answer {
            None => {}
            Some(Ok(Answer { state, .. })) => self.judge(replica, &start, &state, |_, life| {
                let version = state.version;
                if let Some((at, put)) = life.at(version.number, &key)
                    && !ended(&put, self.sim.now())
                {
                    return Err(format!("{key:?} is deleted at {version} and was there since {at}"));
                }
                fresh(&start, version, "a deletion")
            }),
            Some(Err(error)) => {
                self.refused(&start, &key, condition.as_ref(), &error);
            }
        }
    }

    async fn bulk(&mut self, replica: &Replica) {
        let count =
            1 + self.random.below(if self.random.below(4) == 0 { LARGEST_BULK } else { self.sim.plan.bulk });
        let (mut puts, mut mutations, mut last) = (Vec::new(), Vec::new(), BTreeMap::new());
        for _ in 0..count {
            let key = self.key();
            if self.random.below(5) == 0 {
                last.remove(&key);
                mutations.push(Ok(Mutation::Delete { key, options: DeleteOptions::default() }));
                continue;
            }
            let number = self.sim.number();
            let value = Value::Bytes(value_of(number, self.length().min(4000)).into());
            last.insert(key.clone(), number);
            puts.push((number, key.clone()));
            mutations.push(Ok(Mutation::Put { key, value, options: PutOptions::default() }));
        }
        let start = self.begin(replica);
        let stream = stream::iter(mutations).boxed();
        let answer = unless_dead(replica, replica.origin.write_many(&self.sim.namespace, stream)).await;
        self.sim.say(|| format!("  {} bulk {:?}: {}", replica.name, puts, short(&answer)));
        let ending = match &answer {
            None => Ending::Unknown,
            Some(Ok(Answer { state, .. })) => {
                self.judge(replica, &start, state, |ledger, _| {
                    let lost = last.values().find(|number| !ledger.landed.contains_key(number));
                    match lost {
                        Some(number) => {
                            Err(format!("value {number} of an acknowledged bulk is not committed"))
                        }
                        None => fresh(&start, state.version, "a bulk"),
                    }
                });
                Ending::Done(None)
            }
            Some(Err(error)) if error.reason() == Reason::OutcomeUnknown => Ending::Unknown,
            Some(Err(error)) => Ending::Refused(error.reason()),
        };
        for (number, key) in puts {
            // Of a write that is not the last of its key in a bulk nothing is promised but that it stays away.
            let overtaken = ending == Ending::Done(None) && last.get(&key) != Some(&number);
            let ending = if overtaken { Ending::Unknown } else { ending.clone() };
            self.written.push(Written { number, key, ending });
        }
    }

    async fn get(&mut self, replica: &Replica) {
        let key = self.key();
        let start = self.begin(replica);
        let options = GetOptions::default();
        let answer = unless_dead(replica, replica.origin.get(&self.sim.namespace, &key, &options)).await;
        let Some(Ok(Answer { body, state })) = answer else { return };
        let found = match body {
            Lookup::Found(entry) => {
                let version = entry.version;
                // A value whose chunks have gone meanwhile breaks off.
                let Some(Ok(bytes)) = unless_dead(replica, entry.value.into_bytes()).await else { return };
                self.seen.push((key.clone(), version));
                Some((version, bytes))
            }
            Lookup::Absent => None,
            Lookup::Unchanged { .. } => return,
        };
        self.sim.say(|| {
            let number = found.as_ref().map(|(_, bytes)| number_of(bytes));
            format!("  {} get {key}: {number:?} at {}", replica.name, state.version)
        });
        self.judge(replica, &start, &state, |ledger, life| {
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

    async fn list(&mut self, replica: &Replica) {
        let limit = 1 + self.random.below((self.sim.plan.keys / 8).max(8)) as usize;
        let mut options = ListOptions { limit: Some(limit), ..ListOptions::default() };
        loop {
            let start = self.begin(replica);
            let Some(Ok(Answer { body, state })) =
                unless_dead(replica, replica.origin.list(&self.sim.namespace, &options)).await
            else {
                return;
            };
            let after = options.cursor.take().map(|cursor| cursor.after);
            self.judge(replica, &start, &state, |_, life| {
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
    }
}

/// A crash of the process leaves its clients without an answer.
async fn unless_dead<T>(replica: &Replica, call: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = replica.dead.cancelled() => None,
        answer = call => Some(answer),
        () = sleep(Duration::from_secs(300)) => None,
    }
}

fn short<T>(answer: &Option<Result<Answer<T>, Error>>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Ok(answer)) => format!("done at {}", answer.state.version),
        Some(Err(error)) => format!("{} ({error})", error.reason().as_str()),
    }
}
