//! Bulk writes of a client: all of it or nothing, in order, and visible by one swap.

use std::time::Duration;

use futures::{StreamExt, stream};
use nearkv::{
    Answer, BulkOutcome, DeleteOptions, Key, Kv, Mutation, PutOptions, Reason, State, UnixMillis, Value,
    Version,
};
use nearkv_origin::format::Record;

use crate::{
    client::{Client, Ending, Written, short},
    cluster::Replica,
    judgement::{ended, fresh},
    ledger::Ledger,
    life::{Life, apply},
    plan::LARGEST_BULK,
    value::{number_of, value_of},
};

/// One mutation of a bulk: the value's number, or a deletion.
pub(crate) type Step = (Key, Option<u64>);

impl Client {
    pub(crate) async fn bulk(&mut self, replica: &Replica) {
        let count =
            1 + self.random.below(if self.random.below(4) == 0 { LARGEST_BULK } else { self.sim.plan.bulk });
        let (mut steps, mut mutations): (Vec<Step>, Vec<_>) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let key = self.key();
            if self.random.below(5) == 0 {
                steps.push((key.clone(), None));
                mutations.push(Ok(Mutation::Delete { key, options: DeleteOptions::default() }));
                continue;
            }
            let number = self.sim.number();
            let value = Value::Bytes(value_of(number, self.length().min(4000)).into());
            steps.push((key.clone(), Some(number)));
            mutations.push(Ok(Mutation::Put { key, value, options: PutOptions::default() }));
        }
        let start = self.begin(replica);
        let stream = stream::iter(mutations).boxed();
        let answer = self.answer(replica, replica.origin.write_many(&self.sim.namespace, stream)).await;
        self.sim.say(|| format!("  {} bulk {steps:?}: {}", replica.name, short(&answer)));
        let mut versions = Vec::new();
        let answered = answer.is_some();
        let ending = match &answer {
            None => Ending::Unknown,
            Some(Ok(Answer { body, state })) => {
                self.newest = Some(state.version);
                let times = [start.time, state.time];
                self.judge(replica, &start, state, |ledger, life| {
                    fresh(&start, state.version, "a bulk")?;
                    versions = in_order(ledger, life, state, body, &steps, times)?;
                    Ok(())
                });
                Ending::Done(state.version)
            }
            Some(Err(error)) => {
                // What a bulk is refused for is judged with the part of it that came before, which is gone.
                match error.reason() {
                    Reason::QuotaExceeded | Reason::KeyDeclared => {}
                    reason => self.sim.judge_error(replica, reason),
                }
                if error.reason() == Reason::OutcomeUnknown {
                    Ending::Unknown
                } else {
                    Ending::Refused(error.reason())
                }
            }
        };
        if answered {
            self.in_time(replica, &start, Duration::from_secs(count));
        }
        self.count(&ending);
        let bulk = Some(self.sim.number());
        let mut versions = versions.into_iter();
        for (key, number) in steps {
            match number {
                None => self.note_deletion(key, start.at, &ending),
                Some(number) => {
                    let ending = match (&ending, versions.next()) {
                        (Ending::Done(_), Some(version)) => Ending::Done(version),
                        // The order was wrong, and that was said.
                        (Ending::Done(_), None) => Ending::Unknown,
                        (ending, _) => ending.clone(),
                    };
                    self.written.push(Written { number, key, ending, bulk });
                }
            }
        }
    }
}

/// The versions of the puts of an acknowledged bulk, whose records are the last ones of its state, in its order.
fn in_order(
    ledger: &Ledger,
    life: &Life,
    state: &State,
    outcome: &BulkOutcome,
    steps: &[Step],
    times: [UnixMillis; 2],
) -> Result<Vec<Version>, String> {
    let puts = steps.iter().filter(|(_, number)| number.is_some()).count() as u64;
    if outcome.mutations != steps.len() as u64 || outcome.written != puts {
        return Err(format!("a bulk of {} with {puts} puts is answered {outcome:?}", steps.len()));
    }
    let last = state.version.number;
    let mut at = last - outcome.written - outcome.removed;
    let (mut entries, mut versions, mut removed) = (life.state(at), Vec::new(), 0);
    for (key, number) in steps {
        let record = life.record(at + 1).filter(|_| at < last);
        let there = entries.get(key).map(|(_, put)| times.map(|time| ended(put, time)));
        match (number, record) {
            (Some(number), Some(record @ Record::Put(put))) => {
                let found = number_of(&ledger.value(&put.value)?)?;
                if (found, &put.key) != (*number, key) {
                    return Err(format!("value {number} of a bulk is due at {}, where {found} is", at + 1));
                }
                at += 1;
                versions.push(Version::new(state.version.incarnation, at));
                apply(&mut entries, at, record);
            }
            (None, Some(record @ Record::Delete(deleted))) if deleted == key && there.is_some() => {
                (at, removed) = (at + 1, removed + 1);
                apply(&mut entries, at, record);
            }
            // There was nothing to delete, at least by one of the times.
            (None, _) if there.is_none_or(|ended| ended.contains(&true)) => {}
            (_, found) => {
                return Err(format!("{key:?} of a bulk is due at {}, where {found:?} is", at + 1));
            }
        }
    }
    if (at, removed) != (last, outcome.removed) {
        return Err(format!("a bulk ends at {last} with {outcome:?}, and its records end at {at}"));
    }
    Ok(versions)
}
