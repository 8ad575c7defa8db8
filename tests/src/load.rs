//! Writers that keep replicas busy and remember what they were told: the load of crash rounds.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::error::{HarnessError, Result};
use crate::kv::{Answer, Kv};
use crate::ledger::{Ledger, Outcome, State};

/// Few, so that a key is written again and again: a lost or late write then shows as an old value.
const KEYS_PER_WRITER: u32 = 12;

/// The median object of Workers KV.
const USUAL_BYTES: usize = 288;

/// More than fits into a record: such a value has objects of its own.
const LARGE_BYTES: usize = 9_000;

/// One writer: the only one that writes to its keys.
#[derive(Debug)]
pub struct Writer {
    name: String,
    random: StdRng,
    next: u64,
    /// What it was told.
    pub ledger: Ledger,
}

impl Writer {
    /// Its keys start with `name/`; `seed` decides what it writes.
    pub fn new(name: &str, seed: u64) -> Writer {
        Writer {
            name: name.to_owned(),
            random: StdRng::seed_from_u64(seed),
            next: 1,
            ledger: Ledger::default(),
        }
    }

    /// Writes one after the other until `stop`, each to one of `replicas` and to another one after a
    /// failure, and gives itself back.
    ///
    /// # Errors
    /// An answer that no crash explains.
    pub async fn run(mut self, replicas: &[Kv], stop: &CancellationToken) -> Result<Writer> {
        let mut replica = self.random.random_range(0..replicas.len());
        while !stop.is_cancelled() {
            let outcome = self.write(&replicas[replica]).await?;
            if outcome != Outcome::Acknowledged {
                replica = (replica + 1) % replicas.len();
                // A killed replica refuses connections at once: without a pause this would be a busy loop.
                tokio::time::sleep(crate::process::POLL).await;
            }
        }
        Ok(self)
    }

    /// One write.
    ///
    /// # Errors
    /// As [`Writer::run`].
    pub async fn write(&mut self, replica: &Kv) -> Result<Outcome> {
        let key = format!("{}/{}", self.name, self.random.random_range(0..KEYS_PER_WRITER));
        let state = self.next_state();
        let answer = match &state {
            Some(value) => replica.put(&key, value.clone()).await,
            None => replica.delete(&key).await,
        };
        let outcome = outcome(answer)?;
        self.ledger.note(&key, state, outcome);
        Ok(outcome)
    }

    fn next_state(&mut self) -> State {
        let number = self.next;
        self.next += 1;
        let bytes = match self.random.random_range(0..20) {
            0..3 => return None,
            3 => LARGE_BYTES,
            _ => USUAL_BYTES,
        };
        let start = format!("{} {number} ", self.name);
        let rest = "x".repeat(bytes - start.len());
        Some(start + &rest)
    }

    /// Reads all its keys at `replica` and judges them: to be called when nothing sent before can
    /// happen any more.
    ///
    /// # Errors
    /// What was lost or came back.
    pub async fn settle(&mut self, replica: &Kv) -> Result<()> {
        settle(&mut self.ledger, replica).await
    }
}

/// As [`Writer::settle`], of any ledger.
///
/// # Errors
/// What was lost or came back.
pub async fn settle(ledger: &mut Ledger, replica: &Kv) -> Result<()> {
    let keys: Vec<String> = ledger.keys().map(str::to_owned).collect();
    for key in keys {
        let seen = replica.get(&key).await?.value()?;
        ledger.settle(&key, &seen).map_err(HarnessError::Unexpected)?;
    }
    Ok(())
}

/// What an answer to a write says of it.
///
/// # Errors
/// An answer that no crash explains.
pub fn outcome(answer: Result<Answer>) -> Result<Outcome> {
    match answer {
        Ok(answer) if answer.status.is_success() => Ok(Outcome::Acknowledged),
        // Not yet loaded, or throttled: it says that nothing was written, unless it says otherwise.
        Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
            let unknown = answer.header("Nearkv-Reason") == Some(nearkv::Reason::OutcomeUnknown.as_str());
            Ok(if unknown { Outcome::Unknown } else { Outcome::Refused })
        }
        Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => Ok(Outcome::Refused),
        Ok(answer) => {
            Err(HarnessError::Unexpected(format!("a write was answered {}: {}", answer.status, answer.body)))
        }
        Err(HarnessError::Http { source, .. }) if source.is_connect() => Ok(Outcome::Refused),
        Err(HarnessError::Http { .. }) => Ok(Outcome::Unknown),
        Err(error) => Err(error),
    }
}
