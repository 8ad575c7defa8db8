//! Brings the declared entries in line with a declaration: pure, one judgement among others of a batch.

use std::collections::BTreeSet;

use nearkv::{Error, Key, Reason};

use crate::{
    DeclareOutcome,
    commit::{judge::Judge, request::Declared},
    format::{Put, StoredValue},
};

/// Makes the records that a declaration asks for: entries that are not there as declared are written, declared
/// ones that are no longer declared are deleted if the declaration is complete. One that has ended already is
/// left alone.
pub(crate) fn judge(judge: &mut Judge<'_>, declared: &Declared) -> Result<DeclareOutcome, Error> {
    let Declared { mark, puts, reused, complete } = declared;
    if let Some(present) = &judge.mark
        && present.uid == mark.uid
        && present.generation > mark.generation
    {
        let text = format!(
            "Generation {} is declared already; generation {} is older",
            present.generation, mark.generation
        );
        return Err(Error::new(Reason::RequestInvalid, text));
    }
    let (mut written, mut taken_over, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    let wanted: BTreeSet<&Key> = puts.iter().map(|put| &put.key).collect();
    let undeclared: Vec<Key> =
        judge.entries.declared().filter(|key| *complete && !wanted.contains(key)).cloned().collect();
    // Deletions first: they make room in the quota.
    for key in undeclared {
        if judge.delete(&key) {
            removed.push(key);
        }
    }
    for put in puts {
        let present = judge.live(&put.key);
        let is_there = present.as_ref().is_some_and(|slot| says_the_same(&slot.put, put));
        if is_there || judge.has_ended(put.expiration) {
            continue;
        }
        if let StoredValue::Chunked(chunks) = &put.value
            && reused.contains(&chunks.nonce)
            && !judge.names(&put.key, &chunks.nonce)
        {
            let text = format!("Key {:?} has changed while it was declared; declare again", put.key);
            return Err(Error::new(Reason::Unavailable, text));
        }
        if present.is_some_and(|slot| !slot.put.declared) {
            taken_over.push(put.key.clone());
        }
        judge.put(put.clone())?;
        written.push(put.key.clone());
    }
    judge.mark = Some(mark.clone());
    Ok(DeclareOutcome { version: judge.state(), written, taken_over, removed })
}

fn says_the_same(present: &Put, wanted: &Put) -> bool {
    let Put { key: _, value, metadata, expiration, declared } = present;
    let same_value = match (value, &wanted.value) {
        (StoredValue::Chunked(present), StoredValue::Chunked(wanted)) => {
            (present.size, present.sha256) == (wanted.size, wanted.sha256)
        }
        (present, wanted) => present == wanted,
    };
    same_value
        && *metadata == wanted.metadata
        && *expiration == wanted.expiration
        && *declared == wanted.declared
}
