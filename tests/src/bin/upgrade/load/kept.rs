//! Readers of values that nothing changes, declared ones, lists and large values among them: every answer is known in
//! advance.

use std::collections::BTreeMap;
use std::time::Duration;

use nearkv_tests::kv::Answer;
use nearkv_tests::ledger::Ledger;
use nearkv_tests::{Kv, Result};

use crate::load::{Load, Reads};

/// The prefix of the keys that are listed.
const PREFIX: &str = "kept/";
const KEYS: u64 = 150;
/// Every so many of them has several chunks.
const LARGE_EVERY: u64 = 30;
const SMALL_BYTES: usize = 288;
const LARGE_BYTES: usize = 400_000;
/// Every so many steps lists.
const LIST_EVERY: u64 = 20;

/// What is written before the first phase.
pub(crate) fn kept_values() -> BTreeMap<String, String> {
    let value = |number: u64| {
        let bytes = if number.is_multiple_of(LARGE_EVERY) { LARGE_BYTES } else { SMALL_BYTES };
        (format!("{PREFIX}{number:04}"), format!("kept {number} {}", "k".repeat(bytes)))
    };
    (0..KEYS).map(value).collect()
}

/// One reader.
pub(crate) struct Kept {
    next: u64,
    values: BTreeMap<String, String>,
    /// The keys in the list.
    names: Vec<String>,
}

impl Kept {
    /// Reads `declared` too, a key and its value.
    pub(crate) fn new(number: u64, declared: (&str, &str)) -> Kept {
        let mut values = kept_values();
        let names = values.keys().cloned().collect();
        values.insert(declared.0.to_owned(), declared.1.to_owned());
        // Readers begin at different keys.
        Kept { next: number * KEYS / 4, values, names }
    }
}

#[async_trait::async_trait]
impl Load for Kept {
    fn name(&self) -> String {
        "kept".to_owned()
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(5)
    }

    async fn step(&mut self, at: &Kv, _: &Kv, reads: &mut Reads) -> Result<()> {
        self.next += 1;
        if self.next.is_multiple_of(LIST_EVERY) {
            match at.list(PREFIX).await {
                Ok(names) if names == self.names => reads.answered += 1,
                Ok(names) => reads.failures.push(format!("a list has {} names: {names:?}", names.len())),
                Err(error) => reads.failures.push(format!("a list: {error:?}")),
            }
            return Ok(());
        }
        let index = self.next as usize % self.values.len();
        if let Some((key, value)) = self.values.iter().nth(index) {
            let read = at.get(key).await.and_then(Answer::value);
            reads.note(key, read, |seen| seen.as_ref() == Some(value));
        }
        Ok(())
    }

    fn ledger(&mut self) -> Option<&mut Ledger> {
        None
    }
}
