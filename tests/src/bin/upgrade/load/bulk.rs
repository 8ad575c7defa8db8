//! Bulks of puts and deletes: all of one bulk has happened, or nothing.

use std::time::Duration;

use nearkv_tests::kv::Answer;
use nearkv_tests::ledger::{Ledger, Outcome, State};
use nearkv_tests::load::outcome;
use nearkv_tests::{HarnessError, Kv, Result};
use serde_json::{Value, json};

use crate::load::{Load, Reads};

/// In one bulk.
const WRITES: u64 = 20;
/// Bulks overlap, so that each takes the place of some keys of the last.
const KEYS: u64 = 50;
/// Every so many writes is a delete.
const DELETE_EVERY: u64 = 5;
const VALUE_BYTES: usize = 300;

#[derive(Default)]
pub(crate) struct Bulk {
    next: u64,
    ledger: Ledger,
}

impl Bulk {
    fn next_writes(&mut self) -> Vec<(String, State)> {
        let first = self.next;
        self.next += WRITES;
        let write = |number: u64| {
            let value = format!("bulk {number} {}", "b".repeat(VALUE_BYTES));
            (format!("bulk/{}", number % KEYS), (!number.is_multiple_of(DELETE_EVERY)).then_some(value))
        };
        (first..first + WRITES).map(write).collect()
    }
}

#[async_trait::async_trait]
impl Load for Bulk {
    fn name(&self) -> String {
        "bulk".to_owned()
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(50)
    }

    async fn step(&mut self, at: &Kv, elsewhere: &Kv, reads: &mut Reads) -> Result<()> {
        let writes = self.next_writes();
        let line = |(key, state): &(String, State)| -> Value {
            match state {
                Some(value) => json!({"put": key, "value": value}),
                None => json!({"delete": key}),
            }
        };
        let answer = at.bulk_write(&writes.iter().map(line).collect::<Vec<_>>()).await;
        let state = answer.as_ref().ok().and_then(Answer::state);
        let outcome = outcome(answer)?;
        for (key, state) in &writes {
            self.ledger.note(key, state.clone(), outcome);
        }
        if outcome == Outcome::Acknowledged {
            let state =
                state.ok_or_else(|| HarnessError::Unexpected("a bulk without a version".to_owned()))?;
            for (key, _) in writes.iter().step_by(DELETE_EVERY as usize - 1) {
                reads.read_back(elsewhere, key, state, &self.ledger).await;
            }
        }
        Ok(())
    }

    fn ledger(&mut self) -> Option<&mut Ledger> {
        Some(&mut self.ledger)
    }
}
