//! A declaration on its way to the committer: long values become chunks, unless the store holds them already.

use std::collections::BTreeSet;

use nearkv::{Error, Reason, Value};

use super::{
    Declaration, DeclareOutcome, DeclaredEntry,
    ages::Age,
    ask::{Declared, Done, What},
    chunks::{self, Shelved},
    format::{DeclaredMark, INLINE_VALUE_BYTES, Put, Sha, StoredValue},
    snapshot::Snapshot,
    space::Space,
    write::mixed_up,
};

impl Space {
    pub(super) async fn declare(&self, declaration: Declaration) -> Result<DeclareOutcome, Error> {
        let Declaration { uid, generation, entries, complete } = declaration;
        if uid != self.config().uid {
            let text = format!("The declaration is of another life of KvNamespace {}", self.namespace);
            return Err(Error::new(Reason::RequestInvalid, text));
        }
        let view = self.writable()?;
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
                    let age = Age::start(&*self.context.clock);
                    let Shelved { value, born: _ } =
                        chunks::shelve(&self.workshop(), Value::Bytes(value)).await?;
                    if matches!(value, StoredValue::Chunked(_)) {
                        oldest = Some(age.older(oldest));
                    }
                    value
                }
            };
            declared.puts.push(Put { key, value, metadata, expiration, declared: true });
        }
        match self.ask(What::Declare(Box::new(declared)), oldest).await? {
            Done::Declared(outcome) => Ok(outcome),
            other => Err(mixed_up(&other)),
        }
    }
}

/// The chunks of a long value that the key's entry names already.
fn held(view: &Snapshot, key: &nearkv::Key, value: &[u8]) -> Option<super::format::Chunks> {
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
