//! Declarations: what an acknowledged one must have put in force, and which refusals it may meet.

use nearkv::{Error, Key, Reason};
use nearkv_origin::{
    Declaration, DeclareOutcome,
    format::{Put, Record},
};
use tokio::time::Instant;

use crate::{
    cluster::Replica, deletions::Deletion, excuse::Excuse, ledger::Ledger, life::Entries, sim::Sim,
    value::number_of,
};

impl Ledger {
    /// At the version of its outcome exactly the declared entries are declared.
    pub(crate) fn declared(&self, declaration: &Declaration, outcome: &DeclareOutcome) -> Result<(), String> {
        let DeclareOutcome { version, .. } = outcome;
        let Some(life) = self.lives.get(&version.incarnation.to_string()) else {
            return Err(format!("a declaration is in force at {version}, which never was"));
        };
        if version.number > life.newest() {
            return Err(format!("a declaration is in force at {version}, which is not committed"));
        }
        let entries = life.state(version.number);
        for entry in &declaration.entries {
            let there = entries.get(&entry.key).map(|(_, put)| put).filter(|put| put.declared);
            let value = there.map(|put| self.value(&put.value)).transpose()?;
            if value.as_deref() != Some(&*entry.value) {
                let number = value.map(|value| number_of(&value));
                return Err(format!("{:?} is not as declared at {version}: {number:?}", entry.key));
            }
        }
        let is_meant = |key: &Key| declaration.entries.iter().any(|entry| entry.key == *key);
        match entries.iter().find(|(key, (_, put))| put.declared && !is_meant(key)) {
            Some((key, _)) => Err(format!("{key:?} is still declared at {version}")),
            None => Ok(()),
        }
    }

    /// What is declared is changed by declarations alone: before a record is committed, to `entries`, by a swap that commits
    /// a declaration or does not.
    pub(crate) fn declared_stays(
        &mut self,
        record: &Record,
        entries: &Entries,
        declares: bool,
    ) -> Result<(), String> {
        if !entries.get(record.key()).is_some_and(|(_, put)| put.declared) {
            return Ok(());
        }
        match record {
            Record::Put(put) if put.declared => Ok(()),
            Record::Put(Put { key, .. }) => Err(format!("{key:?}, which is declared, was overwritten")),
            Record::Delete(key) if declares => {
                // The record is the declaration's, and no client's.
                let now = Instant::now();
                self.deletions.push(Deletion { key: key.clone(), began: now, until: Some(now) });
                Ok(())
            }
            Record::Delete(key) => Err(format!("{key:?}, which is declared, was deleted")),
        }
    }
}

impl Sim {
    /// An older generation may come later than a newer one, and a declared set may exceed the quota.
    pub(crate) fn judge_declaration(&self, replica: &Replica, error: &Error) {
        match error.reason() {
            Reason::QuotaExceeded => self.excuse(Excuse::NoRoom),
            Reason::RequestInvalid if self.plan.declares => self.excuse(Excuse::Unready),
            reason => self.judge_error(replica, reason),
        }
    }
}
