//! Writes, up to the committer's queue: what can be refused at once is, long values become chunks, and the rest is
//! judged when it is committed.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use nearkv::{
    Answer, BulkOutcome, DeleteOptions, Error, Key, Mutation, PutOptions, Reason, State, Value, Version,
    limits::MAX_VALUE_BYTES,
};
use tokio::sync::Mutex;

use crate::{
    commit::committer::Committer,
    commit::request::{Change, Operation, Verdict, Write},
    format::{INLINE_VALUE_BYTES, StoredValue},
    limits::deadline::patiently,
    parts::age::Age,
    state::snapshot::Snapshot,
    values::{self, Shelved},
};

/// Share of the grace after which the chunks of a value are made again: half of what a commit may name.
const RENEW_SHARE: u32 = 4;
/// Mutations of a bulk that are taken in side by side: enough to hide the round trip of a value that needs an object
/// of its own; each is held in memory meanwhile, at most a value that came whole.
const BULK_IN_FLIGHT: usize = 16;

impl Committer {
    pub(crate) async fn put(
        &self,
        key: &Key,
        value: Value,
        options: &PutOptions,
    ) -> Result<Answer<Version>, Error> {
        let patience = self.space.context.settings.write_deadline;
        let (write, age) = self.prepare(key, value, options, patience).await?;
        let version = self.write_one(write, age).await?;
        Ok(Answer { body: version, state: self.written(version) })
    }

    pub(crate) async fn delete(&self, key: &Key, options: &DeleteOptions) -> Result<Answer<()>, Error> {
        self.space.writable()?;
        let write = Write { key: key.clone(), change: Change::Delete, condition: options.condition.clone() };
        let version = self.write_one(write, None).await?;
        Ok(Answer { body: (), state: self.written(version) })
    }

    async fn write_one(&self, write: Write, age: Option<Age>) -> Result<Version, Error> {
        match self.submit(Operation::Write(write), age).await? {
            Verdict::Written(version) => Ok(version),
            other => Err(mixed_up(&other)),
        }
    }

    pub(crate) async fn bulk(
        &self,
        mutations: BoxStream<'static, Result<Mutation, Error>>,
    ) -> Result<Answer<BulkOutcome>, Error> {
        self.space.writable()?;
        let streaming = Mutex::new(());
        let taken = mutations.map(|mutation| self.take(mutation, &streaming)).buffered(BULK_IN_FLIGHT);
        let mut taken = std::pin::pin!(taken);
        let (mut writes, mut oldest, mut bytes) = (Vec::new(), None, 0);
        while let Some((write, age)) = taken.try_next().await? {
            bytes += user_bytes(&write);
            self.within_quota(bytes)?;
            oldest = age.map(|age| age.older(oldest)).or(oldest);
            writes.push(write);
        }
        match self.submit(Operation::Group(writes), oldest).await? {
            Verdict::Group(version, outcome) => Ok(Answer { body: outcome, state: self.written(version) }),
            other => Err(mixed_up(&other)),
        }
    }

    /// Takes in a mutation of a bulk: short values side by side, one that streams at a time.
    async fn take(
        &self,
        mutation: Result<Mutation, Error>,
        streaming: &Mutex<()>,
    ) -> Result<(Write, Option<Age>), Error> {
        match mutation? {
            Mutation::Put { key, value, options } => {
                let _turn = match &value {
                    Value::Stream { .. } => Some(streaming.lock().await),
                    Value::Bytes(_) => None,
                };
                // As much as the commit of a bulk of such values would have.
                let patience = self.patience(value.length().unwrap_or(MAX_VALUE_BYTES));
                self.prepare(&key, value, &options, patience).await
            }
            Mutation::Delete { key, options } => {
                Ok((Write { key, change: Change::Delete, condition: options.condition }, None))
            }
        }
    }

    /// Takes the value in. What is sure to be refused, is, before any of it is written (invariant 8).
    async fn prepare(
        &self,
        key: &Key,
        value: Value,
        options: &PutOptions,
        patience: Duration,
    ) -> Result<(Write, Option<Age>), Error> {
        let view = self.space.writable()?;
        let config = self.space.config();
        if let Some(length) = value.length()
            && length > INLINE_VALUE_BYTES as u64
        {
            self.within_quota(length)?;
            let now = self.space.context.clock.now();
            if let Some(expiration) = options.expiration {
                expiration.resolve(now, config.min_ttl)?;
            }
            let is_declared =
                |view: &Snapshot| view.entries.live(key, now).is_some_and(|slot| slot.put.declared);
            // By the newest root: memory may be behind (invariant 4).
            if is_declared(&view)
                && let newest = self.follower.refresh().await?
                && is_declared(&newest)
            {
                return Err(Error::key_declared(key, &self.space.namespace).with_version(newest.version()));
            }
        }
        let value = patiently(&self.space.context.pace, value, patience)?;
        let (value, age) = self.shelve(value).await?;
        let change =
            Change::Put { value, metadata: options.metadata.clone(), expiration: options.expiration };
        Ok((Write { key: key.clone(), change, condition: options.condition.clone() }, age))
    }

    /// A value as a record may name it, with the age of its chunks. Those of a value that was long in coming are
    /// made once more, so that the commit has time left (invariant 6).
    async fn shelve(&self, value: Value) -> Result<(StoredValue, Option<Age>), Error> {
        let part_writer = self.space.part_writer();
        let patience = self.space.context.settings.write_deadline;
        let age = Age::start(&*self.space.context.clock);
        let Shelved { value, born: _ } = values::shelve(&part_writer, value, patience).await?;
        let StoredValue::Chunked(named) = &value else { return Ok((value, None)) };
        if age.elapsed(&*self.space.context.clock) < self.space.context.settings.grace / RENEW_SHARE {
            return Ok((value, Some(age)));
        }
        let age = Age::start(&*self.space.context.clock);
        let again =
            values::read(&self.space.context.store, &self.space.context.chunks, &self.space.namespace, named);
        let Shelved { value, born: _ } = values::shelve(&part_writer, again, patience).await?;
        Ok((value, Some(age)))
    }

    /// Refuses what is larger than the whole quota; the exact judgement is the commit's.
    fn within_quota(&self, bytes: u64) -> Result<(), Error> {
        let most = self.space.config().quota.max_bytes;
        if bytes <= most {
            return Ok(());
        }
        let text = format!(
            "KvNamespace {} would exceed its quota of {most} bytes (spec.quota)",
            self.space.namespace
        );
        Err(Error::new(Reason::QuotaExceeded, text))
    }

    /// The state of a write's answer: what has just been committed is as new as can be.
    fn written(&self, version: Version) -> State {
        self.space.state(version, self.space.proof.latest(), false, None)
    }
}

fn user_bytes(write: &Write) -> u64 {
    match &write.change {
        Change::Put { value, .. } => write.key.as_str().len() as u64 + value.length(),
        Change::Delete => 0,
    }
}

/// An answer to another question: a fault of this program.
pub(crate) fn mixed_up(done: &Verdict) -> Error {
    Error::new(Reason::Internal, format!("The committer answered something else: {done:?}"))
}
