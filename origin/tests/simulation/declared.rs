//! Declarations: what an acknowledged one must have put in force, and which refusals it may meet.

use nearkv::{Error, Key, Reason};
use nearkv_origin::{Declaration, DeclareOutcome};
use tokio::time::Instant;

use crate::{
    cluster::Replica, deletions::Deletion, excuse::Excuse, ledger::Ledger, sim::Sim, value::number_of,
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

    /// Notes that declarations may delete what is declared: whoever made the record, it was not a client.
    pub(crate) fn note_undeclared(&mut self, key: &Key) {
        let now = Instant::now();
        self.deletions.push(Deletion { key: key.clone(), began: now, until: Some(now) });
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
