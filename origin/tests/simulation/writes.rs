//! Single writes of a client: puts and deletions, with and without conditions.

use std::time::Duration;

use nearkv::{Answer, DeleteOptions, ExpirationRequest, Key, Kv, PutOptions, Value};
use nearkv_origin::format::Record;
use tokio::time::Instant;

use crate::{
    client::{Client, Ending, Written, short},
    cluster::Replica,
    deletions::Deletion,
    judgement::{ended, fresh, holds},
    value::{number_of, value_of},
};

impl Client {
    pub(crate) async fn put(&mut self, replica: &Replica, key: Key) {
        let (length, number) = (self.length(), self.sim.number());
        let (one_in, longest) = if self.sim.plan.short_lives { (1, 10) } else { (6, 60) };
        let expires = self.random.below(one_in) == 0;
        let expiration = expires.then(|| ExpirationRequest::Ttl(1 + self.random.below(longest) as i64));
        let condition = self.condition(&key);
        let options = PutOptions { expiration, metadata: None, condition: condition.clone() };
        let bytes = value_of(number, length);
        let (size, value) = ((key.as_str().len() + bytes.len()) as u64, Value::Bytes(bytes.into()));
        let start = self.begin(replica);
        self.sim.say(|| format!("  {} put {key} = {number} ({length}) {condition:?}?", replica.name));
        let answer =
            self.answer(replica, replica.origin.put(&self.sim.namespace, &key, value, &options)).await;
        self.sim.say(|| format!("  {} put {key} = {number}: {}", replica.name, short(&answer)));
        let answered = answer.is_some();
        let ending = match answer {
            None => Ending::Unknown,
            Some(Ok(Answer { body, state })) => {
                self.seen.push((key.clone(), body));
                self.newest = Some(state.version);
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
                Ending::Done(body)
            }
            Some(Err(error)) => self.refused(replica, &start, (&key, size), condition.as_ref(), &error),
        };
        // The chunks of a long value are written before it is queued: it has as much time again.
        let chunks = if size > 4096 { self.sim.plan.write_deadline * 4 } else { Duration::ZERO };
        if answered {
            self.in_time(replica, &start, chunks);
        }
        self.count(&ending);
        self.written.push(Written { number, key, ending, bulk: None });
    }

    pub(crate) async fn delete(&mut self, replica: &Replica) {
        let token = self.random.below(2 * self.tokens.len().max(1) as u64) as usize;
        let key = if token < self.tokens.len() { self.tokens.swap_remove(token) } else { self.key() };
        let condition = self.condition(&key);
        let options = DeleteOptions { condition: condition.clone() };
        let start = self.begin(replica);
        let answer = self.answer(replica, replica.origin.delete(&self.sim.namespace, &key, &options)).await;
        self.sim.say(|| format!("  {} delete {key} {condition:?}: {}", replica.name, short(&answer)));
        let answered = answer.is_some();
        let ending = match answer {
            None => Ending::Unknown,
            Some(Ok(Answer { state, .. })) => {
                self.newest = Some(state.version);
                self.judge(replica, &start, &state, |_, life| {
                    let version = state.version;
                    if let Some((at, put)) = life.at(version.number, &key)
                        && !ended(&put, self.sim.now())
                    {
                        return Err(format!("{key:?} is deleted at {version} and was there since {at}"));
                    }
                    fresh(&start, version, "a deletion")
                });
                Ending::Done(state.version)
            }
            Some(Err(error)) => self.refused(replica, &start, (&key, 0), condition.as_ref(), &error),
        };
        if answered {
            self.in_time(replica, &start, Duration::ZERO);
        }
        self.count(&ending);
        self.note_deletion(key, start.at, &ending);
    }

    /// Notes a deletion that may have made a record.
    pub(crate) fn note_deletion(&self, key: Key, began: Instant, ending: &Ending) {
        let until = match ending {
            Ending::Done(_) => Some(Instant::now()),
            Ending::Unknown => None,
            Ending::Refused(_) => return,
        };
        self.sim.ledger.lock().deletions.push(Deletion { key, began, until });
    }
}
