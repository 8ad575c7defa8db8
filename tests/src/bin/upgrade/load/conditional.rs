//! Compare-and-swap of a key: the condition that the last acknowledged write satisfies is true, and that the key is
//! absent is not.

use std::time::Duration;

use nearkv_tests::ledger::{Ledger, Outcome};
use nearkv_tests::load::outcome;
use nearkv_tests::{HarnessError, Kv, Result};
use reqwest::StatusCode;
use reqwest::header::ETAG;

use crate::load::{Load, Reads};

/// So often the condition is one that is not true.
const FALSE_EVERY: u64 = 4;

#[derive(Default)]
pub(crate) struct Conditional {
    /// After a write of unknown outcome the next key is used, since the tag of this one is not known.
    key: u64,
    /// The tag of the last acknowledged write; none before the first.
    tag: Option<String>,
    next: u64,
    ledger: Ledger,
}

impl Conditional {
    /// A put that must be refused.
    async fn put_if_absent(&self, at: &Kv, key: &str) -> Result<()> {
        match at.put_if("If-None-Match", "*", key, "must not be".to_owned()).await {
            Ok(answer) if answer.status.is_success() => {
                Err(HarnessError::Unexpected(format!("{key} was taken for absent")))
            }
            Ok(answer) if answer.status == StatusCode::PRECONDITION_FAILED => Ok(()),
            other => outcome(other).map(|_| ()),
        }
    }
}

#[async_trait::async_trait]
impl Load for Conditional {
    fn name(&self) -> String {
        "conditional".to_owned()
    }

    fn pause(&self) -> Duration {
        Duration::from_millis(10)
    }

    async fn step(&mut self, at: &Kv, elsewhere: &Kv, reads: &mut Reads) -> Result<()> {
        self.next += 1;
        let key = format!("conditional/{}", self.key);
        let (name, tag) = match &self.tag {
            Some(_) if self.next.is_multiple_of(FALSE_EVERY) => return self.put_if_absent(at, &key).await,
            Some(tag) => ("If-Match", tag.clone()),
            None => ("If-None-Match", "*".to_owned()),
        };
        let value = format!("conditional {}", self.next);
        let answer = at.put_if(name, &tag, &key, value.clone()).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == StatusCode::PRECONDITION_FAILED) {
            let text = format!("{key} was refused by {name}: {tag}, which is true");
            return Err(HarnessError::Unexpected(text));
        }
        let written = answer.as_ref().ok().and_then(|answer| {
            Some((answer.headers.get(ETAG)?.to_str().ok()?.to_owned(), answer.entry_version()?))
        });
        let outcome = outcome(answer)?;
        self.ledger.note(&key, Some(value), outcome);
        match outcome {
            Outcome::Refused => {}
            Outcome::Unknown => (self.key, self.tag) = (self.key + 1, None),
            Outcome::Acknowledged => {
                let (tag, version) =
                    written.ok_or_else(|| HarnessError::Unexpected("a put without a tag".to_owned()))?;
                self.tag = Some(tag);
                reads.read_back(elsewhere, &key, version, &self.ledger).await;
            }
        }
        Ok(())
    }

    fn ledger(&mut self) -> Option<&mut Ledger> {
        Some(&mut self.ledger)
    }
}
