//! Judges a batch against the very root that it is going to replace (invariant 4): who is refused, which records
//! the others make, and what the entries are afterwards. Pure; done again from the start after every lost swap.

use std::sync::Arc;

use nearkv::{BulkOutcome, Error, Expiration, Key, Reason, UnixMillis, Version};

use crate::{
    NamespaceConfig,
    commit::{
        amendment::Amendment,
        declare,
        request::{Change, Operation, Verdict, Write},
    },
    format::{DeclaredMark, Manifest, Put, Record, Root, StoredValue},
    limits::budget::Purpose,
    state::{
        entries::{Entries, Slot, Usage},
        health::damaged_range,
        snapshot::Snapshot,
    },
    store::Owner,
};

/// What a batch comes to on one root.
#[derive(Debug)]
pub(crate) struct Judged {
    /// For every ask, in order.
    pub(crate) verdicts: Vec<Result<Verdict, Error>>,
    /// What is new, in order; the first has the version after the base's.
    pub(crate) records: Vec<Record>,
    /// The entries with it.
    pub(crate) entries: Entries,
    /// The root with the changes that are no records; segments, records and counters are still the base's.
    pub(crate) root: Root,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) owner: Option<Owner>,
    /// Whether anything has to be written at all.
    pub(crate) changed: bool,
}

impl Judged {
    /// What its objects are written for: where nothing is put, for what deletions and upkeep set free.
    pub(crate) fn purpose(&self) -> Purpose {
        let puts = self.records.iter().any(|record| matches!(record, Record::Put(_)));
        if puts { Purpose::Write } else { Purpose::Relief }
    }
}

/// One batch being judged.
pub(crate) struct Judge<'a> {
    base: &'a Snapshot,
    config: &'a NamespaceConfig,
    now: UnixMillis,
    pub(crate) usage: Usage,
    pub(crate) records: Vec<Record>,
    pub(crate) entries: Entries,
    pub(crate) mark: Option<DeclaredMark>,
    root: Root,
    manifest: Arc<Manifest>,
    owner: Option<Owner>,
    amended: bool,
}

/// Judges `asks`, in order, on `base`.
pub(crate) fn judge<'a>(
    base: &Snapshot,
    config: &NamespaceConfig,
    now: UnixMillis,
    requests: impl Iterator<Item = &'a Operation>,
) -> Judged {
    let mut judge = Judge {
        base,
        config,
        now,
        usage: base.entries.usage(now),
        records: Vec::new(),
        entries: base.entries.clone(),
        mark: base.root.declared.clone(),
        root: (*base.root).clone(),
        manifest: Arc::clone(&base.manifest),
        owner: base.owner.clone(),
        amended: false,
    };
    let verdicts: Vec<_> = requests.map(|operation| judge.verdict(operation)).collect();
    let marked = judge.mark != base.root.declared;
    judge.root.declared = judge.mark;
    let changed = !judge.records.is_empty() || marked || judge.amended;
    Judged {
        verdicts,
        records: judge.records,
        entries: judge.entries,
        root: judge.root,
        manifest: judge.manifest,
        owner: judge.owner,
        changed,
    }
}

impl Judge<'_> {
    fn verdict(&mut self, operation: &Operation) -> Result<Verdict, Error> {
        match operation {
            Operation::Write(write) => self.write(write).map(|_| Verdict::Written(self.state())),
            Operation::Group(writes) => self.all_or_none(|judge| judge.group(writes)),
            Operation::Declare(declared) => {
                self.all_or_none(|judge| declare::judge(judge, declared)).map(Verdict::Declared)
            }
            Operation::Amend(amendment) => self.amend(amendment),
            Operation::Own(owner) => {
                self.amended |= self.owner != *owner;
                self.owner.clone_from(owner);
                Ok(Verdict::Amended)
            }
        }
    }

    /// The state with the records so far.
    pub(crate) fn state(&self) -> Version {
        Version::new(self.base.root.incarnation, self.base.root.version + self.records.len() as u64)
    }

    fn all_or_none<T>(&mut self, judge: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let (entries, usage, mark) = (self.entries.clone(), self.usage, self.mark.clone());
        let records = self.records.len();
        let result = judge(self);
        if result.is_err() {
            self.entries = entries;
            self.usage = usage;
            self.mark = mark;
            self.records.truncate(records);
        }
        result
    }

    fn group(&mut self, writes: &[Write]) -> Result<Verdict, Error> {
        let mut outcome = BulkOutcome { mutations: writes.len() as u64, ..BulkOutcome::default() };
        for write in writes {
            match (self.write(write)?, &write.change) {
                (true, Change::Put { .. }) => outcome.written += 1,
                (true, Change::Delete) => outcome.removed += 1,
                (false, _) => {}
            }
        }
        Ok(Verdict::Group(self.state(), outcome))
    }

    /// Judges one write and makes its record; `false` if there was nothing to delete.
    fn write(&mut self, write: &Write) -> Result<bool, Error> {
        let Write { key, change, condition } = write;
        let expiration = match change {
            Change::Put { expiration: Some(request), .. } => {
                Some(request.resolve(self.now, self.config.min_ttl)?)
            }
            _ => None,
        };
        self.intact(key)?;
        let present = self.live(key);
        if present.as_ref().is_some_and(|slot| slot.put.declared) {
            return Err(Error::key_declared(key, &self.config.namespace).with_version(self.state()));
        }
        let version = present.as_ref().map(|slot| Version::new(self.base.root.incarnation, slot.version));
        if condition.as_ref().is_some_and(|condition| !condition.holds(version)) {
            return Err(Error::precondition_failed(key, self.state()));
        }
        match change {
            Change::Put { value, metadata, expiration: _ } => {
                let (value, metadata) = (value.clone(), metadata.clone());
                self.put(Put { key: key.clone(), value, metadata, expiration, declared: false })?;
                Ok(true)
            }
            Change::Delete => Ok(self.delete(key)),
        }
    }

    /// The entry that a key has now, with the records so far.
    pub(crate) fn live(&self, key: &Key) -> Option<Arc<Slot>> {
        self.entries.live(key, self.now).cloned()
    }

    /// Whether the root that is replaced names these chunks for this key.
    pub(crate) fn names(&self, key: &Key, nonce: &str) -> bool {
        self.base.entries.get(key).is_some_and(
            |slot| matches!(&slot.put.value, StoredValue::Chunked(chunks) if chunks.nonce == nonce),
        )
    }

    /// Whether an expiration has passed already.
    pub(crate) fn has_ended(&self, expiration: Option<Expiration>) -> bool {
        expiration.is_some_and(|expiration| expiration.has_passed(self.now))
    }

    /// Makes the record of a put, within the quota. What does not grow is taken even beyond it.
    pub(crate) fn put(&mut self, put: Put) -> Result<(), Error> {
        let old = self.live(&put.key).map(|slot| slot.user_bytes());
        let slot = Slot { version: self.base.root.version + 1 + self.records.len() as u64, put };
        let new = slot.user_bytes();
        let usage = Usage {
            keys: self.usage.keys + u64::from(old.is_none()),
            bytes: self.usage.bytes - old.unwrap_or_default() + new,
        };
        let quota = self.config.quota;
        if usage.keys > quota.max_keys && old.is_none() {
            return Err(self.over_quota(format!("{} keys", quota.max_keys)));
        }
        if usage.bytes > quota.max_bytes && usage.bytes > self.usage.bytes {
            return Err(self.over_quota(format!("{} bytes", quota.max_bytes)));
        }
        self.usage = usage;
        self.records.push(Record::Put(slot.put.clone()));
        self.entries.insert(slot);
        Ok(())
    }

    fn over_quota(&self, limit: String) -> Error {
        let namespace = &self.config.namespace;
        let text = format!("KvNamespace {namespace} would exceed its quota of {limit} (spec.quota)");
        Error::new(Reason::QuotaExceeded, text).with_version(self.state())
    }

    /// Makes the record of a deletion, if there is an entry; one that has ended needs none.
    pub(crate) fn delete(&mut self, key: &Key) -> bool {
        let Some(old) = self.live(key) else { return false };
        self.usage.keys -= 1;
        self.usage.bytes -= old.user_bytes();
        self.records.push(Record::Delete(key.clone()));
        self.entries.remove(key);
        true
    }

    fn intact(&self, key: &Key) -> Result<(), Error> {
        match self.base.damage_of(key) {
            Some(damage) => Err(damaged_range(self.config, &damage.detail)),
            None => Ok(()),
        }
    }

    fn amend(&mut self, amendment: &Amendment) -> Result<Verdict, Error> {
        let amended = amendment.apply(&self.root).map_err(|superseded| {
            Error::new(Reason::PreconditionFailed, superseded.to_string()).with_source(superseded)
        })?;
        self.root = amended;
        self.amended = true;
        if let Amendment::Manifest(new) = amendment {
            self.manifest = Arc::clone(&new.manifest);
            self.entries.drop_ended(new.manifest.checkpoint, new.manifest.expired_before);
        }
        Ok(Verdict::Amended)
    }
}
