//! Values in chunks, replaced again and again: what they replace becomes garbage, which is collected beside them.

use std::time::Duration;

use nearkv_tests::ledger::{Ledger, Outcome};
use nearkv_tests::load::outcome;
use nearkv_tests::{HarnessError, Kv, Result};

use crate::load::{Load, Reads};

const KEYS: u64 = 6;
/// From one chunk to three.
const BYTES: [usize; 3] = [6_000, 200_000, 600_000];

#[derive(Default)]
pub(crate) struct Large {
    next: u64,
    ledger: Ledger,
}

#[async_trait::async_trait]
impl Load for Large {
    fn name(&self) -> String {
        "large".to_owned()
    }

    /// Half a megabyte a second, below the default pace of 1 MiB/s.
    fn pause(&self) -> Duration {
        Duration::from_millis(500)
    }

    async fn step(&mut self, at: &Kv, elsewhere: &Kv, reads: &mut Reads) -> Result<()> {
        self.next += 1;
        let key = format!("large/{}", self.next % KEYS);
        let bytes = BYTES[self.next as usize % BYTES.len()];
        let value = format!("large {} {}", self.next, "l".repeat(bytes));
        let answer = at.put(&key, value.clone()).await;
        let version = answer.as_ref().ok().and_then(nearkv_tests::kv::Answer::entry_version);
        let outcome = outcome(answer)?;
        self.ledger.note(&key, Some(value), outcome);
        if outcome == Outcome::Acknowledged {
            let version =
                version.ok_or_else(|| HarnessError::Unexpected("a put without a tag".to_owned()))?;
            reads.read_back(elsewhere, &key, version, &self.ledger).await;
        }
        Ok(())
    }

    fn ledger(&mut self) -> Option<&mut Ledger> {
        Some(&mut self.ledger)
    }
}
