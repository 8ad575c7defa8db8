//! A declaration on its way to the committer: long values become chunks, unless the store holds them already.

use std::collections::BTreeSet;

use nearkv::{Error, Reason, Value};

use crate::{
    Declaration, DeclareOutcome, DeclaredEntry,
    commit::committer::Committer,
    commit::{
        request::{Declared, Operation, Verdict},
        write::mixed_up,
    },
    format::{DeclaredMark, INLINE_VALUE_BYTES, Put, Sha, StoredValue},
    parts::age::Age,
    state::snapshot::Snapshot,
    values::{self, Shelved},
};

impl Committer {
    pub(crate) async fn declare(&self, declaration: Declaration) -> Result<DeclareOutcome, Error> {
        let Declaration { uid, generation, entries, complete } = declaration;
        if uid != self.space.config().uid {
            let text = format!("The declaration is of another life of KvNamespace {}", self.space.namespace);
            return Err(Error::new(Reason::RequestInvalid, text));
        }
        let view = self.space.writable()?;
        let mut declared = Declared {
            mark: DeclaredMark { uid, generation },
            puts: Vec::new(),
            reused: BTreeSet::new(),
            complete,
        };
        let mut oldest = None;
        for DeclaredEntry { key, value, metadata, expiration } in entries {
            let value = match held(&view, &key, &value) {
                Some(chunks) => {
                    declared.reused.insert(chunks.nonce.clone());
                    StoredValue::Chunked(chunks)
                }
                None => {
                    let age = Age::start(&*self.space.context.clock);
                    let patience = self.space.context.settings.write_deadline;
                    let part_writer = self.space.part_writer();
                    let Shelved { value, born: _ } =
                        values::shelve(&part_writer, Value::Bytes(value), patience).await?;
                    if matches!(value, StoredValue::Chunked(_)) {
                        oldest = Some(age.older(oldest));
                    }
                    value
                }
            };
            declared.puts.push(Put { key, value, metadata, expiration, declared: true });
        }
        match self.submit(Operation::Declare(Box::new(declared)), oldest).await? {
            Verdict::Declared(outcome) => Ok(outcome),
            other => Err(mixed_up(&other)),
        }
    }
}

/// The chunks of a long value that the key's entry names already.
fn held(view: &Snapshot, key: &nearkv::Key, value: &[u8]) -> Option<crate::format::Chunks> {
    if value.len() <= INLINE_VALUE_BYTES {
        return None;
    }
    match &view.entries.get(key)?.put.value {
        StoredValue::Chunked(chunks)
            if chunks.size == value.len() as u64 && chunks.sha256 == Sha::of(value) =>
        {
            Some(chunks.clone())
        }
        _ => None,
    }
}
