//! What a swap of the root means: records follow the records before them, nothing stored says anything else, and a new
//! life of the data begins empty or with what was there.

use std::collections::BTreeSet;

use nearkv::Key;
use nearkv_origin::{
    format::{Put, Record, Root},
    store::Object,
};
use tokio::time::Instant;

use crate::{
    deletions::Deleted,
    excuse::Excuse,
    ledger::{Landing, Ledger},
    life::{Entries, Life, apply},
    quota,
    value::number_of,
};

/// Entries that ended this long ago may be missing from what is stored, by the format's rule.
const EXPIRED_KEPT_SECS: u64 = 60;

impl Ledger {
    pub(crate) fn swapped(&mut self, object: &Object) -> Result<(), String> {
        let root = Root::decode(&object.content).map_err(|error| format!("it cannot be read: {error}"))?;
        let owner = object.meta.owner.as_ref().map(|owner| owner.id.clone());
        let incarnation = root.incarnation.to_string();
        let manifest = self.manifest(&root)?;
        let (state, log) = self.load(&root, &manifest)?;
        self.swaps += 1;
        if manifest.pages.iter().any(|page| page.version > manifest.checkpoint) {
            self.stages.extend(root.manifest.iter().map(|named| named.manifest.clone()));
        }
        self.manifests.extend(root.manifest.iter().map(|named| named.manifest.clone()));
        let before = self.current.replace((incarnation.clone(), root.clone()));
        let declared = before.as_ref().and_then(|(_, before)| before.declared.clone());
        let Some(life) = self.lives.get_mut(&incarnation) else {
            return self.begun(&root, incarnation, owner, state, before);
        };
        if before.is_none_or(|(before, _)| before != incarnation) {
            return Err(format!("the life {incarnation} is back"));
        }
        if let (Some(now), Some(before)) = (&root.declared, &declared)
            && now.uid == before.uid
            && now.generation < before.generation
        {
            return Err(format!("generation {} follows generation {}", now.generation, before.generation));
        }
        life.owner = owner;
        life.ended = None;
        if root.swap <= life.swap {
            return Err(format!("swap {} follows swap {}", root.swap, life.swap));
        }
        life.swap = root.swap;
        let newest = life.newest();
        if root.version < newest {
            return Err(format!("version {} follows version {newest}", root.version));
        }
        let mut entries = life.state(newest);
        for version in newest + 1..=root.version {
            let record = log.get(&version).ok_or_else(|| format!("record {version} is nowhere"))?;
            if let Some(life) = self.lives.get_mut(&incarnation) {
                life.records.push(record.clone());
                life.committed.push(Instant::now());
            }
            self.declared_stays(record, &entries, root.declared != declared)?;
            self.committed(&incarnation, (version, root.swap), record, &mut entries)?;
        }
        self.note_losses();
        let wanted = self.lives[&incarnation].state(root.version);
        self.same(&wanted, &state, "what is stored")
    }

    /// One record more: `entries` are those before it, and then those after it.
    fn committed(
        &mut self,
        incarnation: &str,
        (version, swap): (u64, u64),
        record: &Record,
        entries: &mut Entries,
    ) -> Result<(), String> {
        let before = entries.contains_key(record.key());
        apply(entries, version, record);
        match record {
            Record::Put(put) => {
                let number = number_of(&self.value(&put.value)?)?;
                let landing = Landing { incarnation: incarnation.to_owned(), version, swap };
                self.landed.entry(number).or_default().push(landing);
                // When it was judged, fewer of the others had ended.
                let after = quota::used(entries, (self.now)());
                self.quotas.committed(&put.key, !before, after)
            }
            Record::Delete(key) => {
                let (key, at) = (key.clone(), Instant::now());
                self.deleted.push(Deleted { key, at, version: format!("{incarnation}.{version}") });
                Ok(())
            }
        }
    }

    fn begun(
        &mut self,
        root: &Root,
        incarnation: String,
        owner: Option<String>,
        state: Entries,
        before: Option<(String, Root)>,
    ) -> Result<(), String> {
        let root_wounded = std::mem::take(&mut self.root_wounded);
        let replaced = before.map(|(incarnation, _)| incarnation);
        if let Some(replaced) = &replaced {
            self.repaired(root, replaced, &state)?;
            if let Some(life) = self.lives.get_mut(replaced) {
                life.ended = Some(Instant::now());
            }
        } else {
            // Born empty, once in the life of a KvNamespace, or written anew from what some replica remembered.
            let had_data = self.lives.values().any(|life| life.owner == owner && life.newest() > 0);
            let born = root.version == 0 && state.is_empty() && !had_data;
            if !born {
                self.remembered(root, &owner, &state, root_wounded)?;
            }
        }
        let life = Life {
            owner,
            base: state,
            first: root.version + 1,
            records: Vec::new(),
            committed: Vec::new(),
            ended: None,
            swap: root.swap,
        };
        self.lives.insert(incarnation, life);
        self.note_losses();
        Ok(())
    }

    /// A repair has replaced a root that can be read: it must keep all that this root said and was not destroyed.
    fn repaired(&mut self, root: &Root, replaced: &str, state: &Entries) -> Result<(), String> {
        let lost = self.wounds.lost(replaced);
        let Some(life) = self.lives.get(replaced) else {
            return Err(format!("a new life begins over the life {replaced}, which never began"));
        };
        if lost.is_nothing() {
            return Err(format!("a new life begins over the life {replaced}, which is whole"));
        }
        let newest = life.newest();
        if root.version != newest {
            return Err(format!("a repair at version {} replaces version {newest}", root.version));
        }
        let mut wanted = life.state(newest);
        let all = wanted.len();
        wanted.retain(|key, _| !lost.has(key) || state.contains_key(key));
        (wanted.len()..all).for_each(|_| self.excuses.add(Excuse::LostByRepair));
        self.same(&wanted, state, "what is repaired")
    }

    /// A repair has written a root where none was: it must say what the data were at that version.
    fn remembered(
        &mut self,
        root: &Root,
        owner: &Option<String>,
        state: &Entries,
        root_wounded: bool,
    ) -> Result<(), String> {
        let mut found = Vec::new();
        for (incarnation, life) in &self.lives {
            if life.owner != *owner || life.newest() < root.version {
                continue;
            }
            let (mut wanted, lost) = (life.state(root.version), self.wounds.lost(incarnation));
            let all = wanted.len();
            // What hands have destroyed may be lost, and must not come back as something else.
            wanted.retain(|key, _| !lost.has(key) || state.contains_key(key));
            match self.compare(&wanted, state, "what is remembered") {
                Ok(_) if root_wounded => {
                    (wanted.len()..all).for_each(|_| self.excuses.add(Excuse::LostByRepair));
                    return Ok(());
                }
                compared => found.push(compared.map(drop)),
            }
        }
        Err(format!("a life begins at version {} with what never was: {found:?}", root.version))
    }

    /// The two are the same but for entries that ended long ago.
    pub(crate) fn same(&mut self, wanted: &Entries, found: &Entries, what: &str) -> Result<(), String> {
        for missing in self.compare(wanted, found, what)? {
            // It is missing in every swap from then on.
            if self.ended.insert(missing) {
                self.excuses.add(Excuse::EndedLongAgo);
            }
        }
        Ok(())
    }

    /// The entries that ended long ago and are missing, by key and version, if nothing else is other than it should be.
    fn compare(&self, wanted: &Entries, found: &Entries, what: &str) -> Result<Vec<(Key, u64)>, String> {
        let now = (self.now)().seconds();
        let mut missing = Vec::new();
        let ended = |put: &Put| put.expiration.is_some_and(|end| end.0 + EXPIRED_KEPT_SECS <= now + 10);
        let keys: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
        for key in keys {
            match (wanted.get(key), found.get(key)) {
                (Some((version, put)), Some((other, found))) if version == other && put == found => {}
                (Some((version, put)), None) if ended(put) => missing.push((key.clone(), *version)),
                (wanted, found) => {
                    let short = |entry: Option<&(u64, Put)>| {
                        entry.map(|(version, put)| (*version, put.value.length(), put.expiration))
                    };
                    return Err(format!(
                        "{what} has {key:?} as {:?} and not {:?}",
                        short(found),
                        short(wanted)
                    ));
                }
            }
        }
        Ok(missing)
    }
}
